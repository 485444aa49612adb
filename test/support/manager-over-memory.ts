import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ManagerOptions, type RunningManager, startManager } from "../../src/manager/manager.ts";
import type { Ingress } from "../../src/model/api.ts";
import type { ListenPorts } from "../../src/validation/ingress.ts";
import { compilerSettings } from "./compiler-settings.ts";
import { freePort } from "./free-port.ts";
import { MemoryCaddy } from "./memory-caddy.ts";
import { type MemoryHost, memoryHost } from "./memory-host.ts";
import { MemoryStore } from "./memory-store.ts";

/** The real manager, before a Caddy and a store in memory; each of these keeps to the contract of its interface. */
export interface ManagerOverMemory extends AsyncDisposable {
  readonly manager: RunningManager;
  readonly caddy: MemoryCaddy;
  readonly host: MemoryHost;
  readonly store: MemoryStore<Ingress>;
  readonly httpPort: number;
  readonly httpsPort: number;
}

/** Starts one whose instances are the resolver's; `ingresses` are stored from the start. `ports` are free ones by default. */
export async function startManagerOverMemory({
  ingresses = [],
  ports,
  ...options
}: Pick<ManagerOptions, "resolver" | "logger"> &
  Partial<ManagerOptions> & {
    readonly ingresses?: readonly Ingress[];
    readonly ports?: ListenPorts;
  }): Promise<ManagerOverMemory> {
  const data = await mkdtemp(join(tmpdir(), "gatewright-memory-"));
  const folder = join(data, "caddy");
  await mkdir(folder);
  const { httpPort, httpsPort } = ports ?? (await freePorts());
  const caddy = new MemoryCaddy();
  const host = memoryHost(caddy, folder);
  const store = new MemoryStore<Ingress>(ingresses);
  const manager = await startManager({
    store,
    api: caddy,
    feeds: [],
    createHost: host.createHost,
    compiler: compilerSettings({ folder, httpPort, httpsPort }),
    admission: {
      ports: { httpPort, httpsPort },
      tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
      guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
    },
    ...options,
  });
  return {
    manager,
    caddy,
    host,
    store,
    httpPort,
    httpsPort,
    [Symbol.asyncDispose]: async () => {
      await manager.stop();
      await rm(data, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Ports for `startManagerOverMemory`. */
export async function freePorts(): Promise<ListenPorts> {
  return { httpPort: await freePort(), httpsPort: await freePort() };
}
