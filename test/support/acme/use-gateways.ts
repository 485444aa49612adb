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
  /** Has all of them serve hosts over TLS, each told at the same time. */
  serve(hosts: readonly string[]): Promise<void>;
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
  const sites = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      // The authority knows one port; each of them has its own.
      const { HTTP_PORT: _http, HTTPS_PORT: _https, ...environment } = shared;
      return asSite(await startGatewright({ ...environment, GATEWAY_NAME: `gateway-${at + 1}` }));
    }),
  );
  for (const site of sites) stack.use(site);
  for (const [port, of] of [
    [world.httpPort, "http"],
    [world.httpsPort, "https"],
  ] as const) {
    const door = await openDoor(
      port,
      sites.map(({ ports }) => ports[of]),
    );
    stack.defer(() => door.close());
  }
  await Promise.all(sites.map((site) => site.put("web-1", "127.0.0.1")));
  const running = stack.move();
  return {
    world,
    etcd,
    sites,
    serve: async (hosts) => {
      const answers = await Promise.all(
        sites.flatMap((site) =>
          hosts.map((host) =>
            site.create(host.replaceAll(".", "-"), rule(host, "web-1", backend.port, {}, { tls: true })),
          ),
        ),
      );
      // Where they share their ingresses too, one of them takes each.
      const refused = answers.find(({ status }) => status !== 201 && status !== 409);
      if (refused !== undefined) throw new Error(`refused: ${refused.text}`);
    },
    shown: (host) =>
      Promise.all(sites.map(({ ports }) => handshake({ port: ports.https, host, ca: world.ca }))),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
