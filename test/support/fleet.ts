import { putInstance } from "./api.ts";
import { type Backend, startBackend } from "./backend.ts";

/** Instances of one service on addresses of loopback, all on one port, each with a server that tells its name. */
export interface Fleet extends AsyncDisposable {
  readonly port: number;
  readonly names: readonly string[];
  address(name: string): string;
  backend(name: string): Backend;
  /** Ends the server of an instance, as a virtual machine that dies. */
  kill(name: string): Promise<void>;
  /** Starts it again. */
  revive(name: string): Promise<void>;
}

let last = 1;

/** Starts servers and registers them as running instances, with `service` where one is given. */
export async function startFleet(url: string, names: readonly string[], service?: string): Promise<Fleet> {
  const backends = new Map<string, Backend>();
  const addresses = new Map<string, string>();
  let port = 0;
  for (const name of names) {
    last += 1;
    const address = `127.0.${process.pid % 200}.${last}`;
    const backend = await startBackend(name, address, port);
    port = backend.port;
    backends.set(name, backend);
    addresses.set(name, address);
    await putInstance(url, name, address, service === undefined ? {} : { service });
  }
  const backend = (name: string): Backend => backends.get(name) as Backend;
  return {
    port,
    names,
    address: (name) => addresses.get(name) ?? "",
    backend,
    kill: async (name) => backend(name)[Symbol.asyncDispose](),
    revive: async (name) => void backends.set(name, await startBackend(name, addresses.get(name), port)),
    [Symbol.asyncDispose]: async () => {
      for (const one of backends.values()) await one[Symbol.asyncDispose]();
    },
  };
}
