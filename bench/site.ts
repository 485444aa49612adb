import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/free-port.ts";
import { type Gatewright, startGatewright } from "../test/support/gatewright.ts";
import { HttpClient } from "./http-client.ts";
import { cpuSeconds } from "./process-usage.ts";
import { askedHosts, type HostKind, writeSeed } from "./seed.ts";

/** A Gatewright with so many ingresses, started on data that was there. */
export interface Site extends AsyncDisposable {
  readonly size: number;
  readonly kind: HostKind;
  readonly gatewright: Gatewright;
  /** From the start of the manager's process, with no Caddy running, until `/ready` answers 200. */
  readonly coldStartMs: number;
  /** Client of the REST API. */
  readonly api: HttpClient;
  /** Flags of the load generator that choose among the hosts of this site. */
  readonly target: { readonly target: string; readonly hosts: string; readonly "host-count": number };
  managerPid(): number;
  caddyPid(): Promise<number>;
  /** Processor time of manager and Caddy so far. */
  cpuSeconds(): Promise<number>;
}

export interface SiteOptions {
  readonly size: number;
  readonly kind: HostKind;
  readonly caddyBinary: string;
  readonly backendPort: number;
  readonly environment?: NodeJS.ProcessEnv;
}

export async function openSite(options: SiteOptions): Promise<Site> {
  const { size, kind, backendPort } = options;
  const dataDir = await mkdtemp(join(tmpdir(), "gatewright-bench-"));
  const httpPort = await freePort();
  writeSeed({ dataDir, size, kind, httpPort, backendPort });
  const began = performance.now();
  const gatewright = await startGatewright({
    DATA_DIR: dataDir,
    HTTP_PORT: String(httpPort),
    CADDY_BIN: options.caddyBinary,
    ...options.environment,
  });
  const coldStartMs = performance.now() - began;
  const api = new HttpClient(gatewright.ports.api);
  const managerPid = () => gatewright.process().pid ?? 0;
  return {
    size,
    kind,
    gatewright,
    coldStartMs,
    api,
    target: { target: `127.0.0.1:${httpPort}`, hosts: askedHosts[kind], "host-count": size },
    managerPid,
    caddyPid: gatewright.caddyPid,
    cpuSeconds: async () => cpuSeconds([managerPid(), await gatewright.caddyPid()]),
    async [Symbol.asyncDispose]() {
      api.close();
      await gatewright[Symbol.asyncDispose]();
    },
  };
}
