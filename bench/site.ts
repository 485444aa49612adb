import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/free-port.ts";
import { until } from "../test/support/until.ts";
import { type Gatewright, PortTaken, prepareGatewright, type StartTime } from "./gatewright.ts";
import { HttpClient } from "./http-client.ts";
import { cpuSeconds } from "./process-usage.ts";
import { askedHosts, type HostKind, type Seed, writeSeed } from "./seed.ts";

/** A Gatewright with so many ingresses, started on data that was there. */
export interface Site extends AsyncDisposable {
  readonly size: number;
  readonly kind: HostKind;
  readonly gatewright: Gatewright;
  /** With no Caddy running. */
  readonly coldStart: StartTime;
  /** Client of the REST API. */
  readonly api: HttpClient;
  /** What the ingresses listen on. */
  readonly httpPort: number;
  /** Flags of the load generator that choose among the hosts of this site. */
  readonly target: { readonly target: string; readonly hosts: string; readonly "host-count": number };
  /** Processor time so far. */
  cpuSeconds(): Promise<{ readonly manager: number; readonly caddy: number }>;
}

export interface SiteOptions {
  readonly size: number;
  readonly kind: HostKind;
  readonly caddyBinary: string;
  readonly backendPort: number;
  readonly policies?: NonNullable<Seed["policies"]>;
  /** See `Seed.tls`; Caddy's own authority signs, unless `settings` say otherwise. */
  readonly tls?: boolean;
  /** More of the manager's environment. Default: none. */
  readonly environment?: NodeJS.ProcessEnv;
  /** More settings, made for the ports that were chosen. Default: none. */
  readonly settings?: (ports: SitePorts) => Promise<NodeJS.ProcessEnv>;
}

/** Where a site of TLS listens. */
export interface SitePorts {
  readonly http: number;
  readonly https: number;
}

const ATTEMPTS = 3;
/** Folders with as many documents get a bundle (docs/storage.md). */
const BUNDLED = 1_000;

/** Writes the data and starts a Gatewright on it. */
export async function openSite(options: SiteOptions): Promise<Site> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openOnce(options);
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function openOnce({ caddyBinary, environment: more, settings, ...seed }: SiteOptions): Promise<Site> {
  const { size, kind } = seed;
  const dataDir = await mkdtemp(join(tmpdir(), "gatewright-bench-"));
  const httpPort = await freePort();
  writeSeed({ ...seed, dataDir, httpPort });
  const ports = seed.tls === true ? await tlsSettings(httpPort, settings) : { HTTP_PORT: String(httpPort) };
  const environment = { ...ports, ...more };
  await using stack = new AsyncDisposableStack();
  const gatewright = stack.use(await prepareGatewright({ dataDir, caddyBinary, environment }));
  const coldStart = await gatewright.start();
  if (size >= BUNDLED) await bundled(dataDir);
  const api = new HttpClient(gatewright.ports.api);
  stack.defer(() => api.close());
  const kept = stack.move();
  return {
    size,
    kind,
    gatewright,
    coldStart,
    api,
    httpPort,
    target: { target: `127.0.0.1:${httpPort}`, hosts: askedHosts[kind], "host-count": size },
    cpuSeconds: async () => ({
      manager: await cpuSeconds(gatewright.managerPid()),
      caddy: await cpuSeconds(await gatewright.caddyPid()),
    }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function tlsSettings(
  https: number,
  settings: SiteOptions["settings"] = async () => ({ TLS_ISSUER: "internal" }),
): Promise<NodeJS.ProcessEnv> {
  const http = await freePort();
  return { HTTPS_PORT: String(https), HTTP_PORT: String(http), ...(await settings({ http, https })) };
}

/** A start on files that were put there has their bundles written once; what is measured begins after that. */
async function bundled(dataDir: string): Promise<void> {
  const files = ["ingresses", "instances"].map((folder) => join(dataDir, folder, ".bundle"));
  await until(() => files.every((file) => existsSync(file)), 120_000);
}
