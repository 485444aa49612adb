import { randomBytes } from "node:crypto";
import { rule } from "../api.ts";
import { type Backend, startBackend } from "../backend.ts";
import { type Etcd, startEtcd } from "../etcd.ts";
import { startGatewright } from "../gatewright.ts";
import { use } from "../use.ts";
import { asSite, type Site } from "../use-gatewright.ts";
import { openDoor } from "./door.ts";
import { handshake, type Shown } from "./handshake.ts";
import { startTlsWorld, type TlsWorld } from "./tls-world.ts";

/** Gatewrights over one etcd of three members, and an authority that meets now the one and now the other. */
export interface Gateways extends AsyncDisposable {
  readonly world: TlsWorld;
  readonly etcd: Etcd;
  readonly sites: readonly Site[];
  /** Where each of them listens, at the ports of the world. */
  readonly addresses: readonly string[];
  /** Has all of them serve hosts over TLS, of which each is told to one of them. */
  serve(hosts: readonly string[]): Promise<void>;
  /** Asks all of them at once for each host; returns the statuses of their answers for each, sorted. */
  contest(hosts: readonly string[]): Promise<readonly (readonly number[])[]>;
  /** What each of them shows for a host; rejects where one shows nothing that is valid. */
  shown(host: string): Promise<readonly Shown[]>;
}

export function useGateways(count: number, settings: NodeJS.ProcessEnv = {}): Gateways {
  return use(() => startGateways(count, settings));
}

async function startGateways(count: number, settings: NodeJS.ProcessEnv): Promise<Gateways> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startTlsWorld());
  const etcd = stack.use(await startEtcd({ members: 3, authority: world.authority, auth: true }));
  const backend: Backend = stack.use(await startBackend("one"));
  const { ca = "", cert = "", key = "" } = etcd.files ?? {};
  const shared: NodeJS.ProcessEnv = {
    ...world.ports,
    STORE: "etcd",
    STORE_KEY: randomBytes(32).toString("base64"),
    ETCD_ENDPOINTS: etcd.endpoints.join(),
    ETCD_USER: etcd.user?.name,
    ETCD_PASSWORD: etcd.user?.password,
    ETCD_CA: ca,
    ETCD_CERT: cert,
    ETCD_KEY: key,
    ACME_ORDERS_PER_MINUTE: "6000",
    ...settings,
  };
  // They serve the same ingresses at the same ports, and so each at an address of its own.
  const addresses = Array.from({ length: count }, (_, at) => `127.0.0.${at + 2}`);
  const sites = await Promise.all(
    addresses.map(async (address, at) =>
      asSite(
        await startGatewright({
          ...shared,
          GATEWAY_NAME: `gateway-${at + 1}`,
          CADDY_LISTEN_ADDRESS: address,
        }),
      ),
    ),
  );
  for (const site of sites) stack.use(site);
  for (const port of [world.httpPort, world.httpsPort]) {
    const door = await openDoor(port, port, addresses);
    stack.defer(() => door.close());
  }
  await Promise.all(sites.map((site) => site.put("web-1", "127.0.0.1")));
  const ruleOf = (host: string) => rule(host, "web-1", backend.port, {}, { tls: true });
  const running = stack.move();
  return {
    world,
    etcd,
    sites,
    serve: async (hosts) => {
      await Promise.all(
        hosts.map((host, at) => sites[at % count]?.make(host.replaceAll(".", "-"), ruleOf(host))),
      );
    },
    contest: (hosts) =>
      Promise.all(
        hosts.map(async (host) => {
          const name = host.replaceAll(".", "-");
          const answers = await Promise.all(sites.map((site) => site.create(name, ruleOf(host))));
          return answers.map(({ status }) => status).sort();
        }),
      ),
    shown: (host) =>
      Promise.all(
        addresses.map((address) => handshake({ address, port: world.httpsPort, host, ca: world.ca })),
      ),
    addresses,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
