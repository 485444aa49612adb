import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AdminClient } from "../../src/caddy/admin-client.ts";
import { findRunningCaddy } from "../../src/caddy/running-caddy.ts";
import { listenersIn } from "../../src/compiler/listeners.ts";
import { builtCaddy } from "../support/caddy-binary.ts";
import { freePort } from "../support/free-port.ts";

/** A folder as `<DATA_DIR>/caddy`, with a free admin port, for one real Caddy. */
export interface CaddyFolder extends AsyncDisposable {
  readonly folder: string;
  readonly binary: string;
  readonly adminPort: number;
  readonly adminUrl: string;
  /** A configuration with this admin port and these apps, loose enough to be wrong where a test needs that. */
  config(apps?: object): object;
  writeConfig(apps?: object): Promise<void>;
}

/** Disposing it kills the Caddy that was started from it. */
export async function makeCaddyFolder(binary?: string): Promise<CaddyFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), "gatewright-caddy-"));
  const adminPort = await freePort();
  const place = { binary: binary ?? (await builtCaddy()), folder };
  const config = (apps: object = {}) => ({
    admin: {
      listen: `gatewright/127.0.0.1:${adminPort}`,
      enforce_origin: true,
      origins: [`127.0.0.1:${adminPort}`],
      config: { persist: false },
    },
    apps,
  });
  return {
    ...place,
    adminPort,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    config,
    writeConfig: (apps) => writeFile(path.join(folder, "config.json"), JSON.stringify(config(apps))),
    async [Symbol.asyncDispose]() {
      for (let found = findRunningCaddy(place); found !== undefined; found = findRunningCaddy(place)) {
        process.kill(found.pid, "SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The http app with one server that answers each request with a text. */
export function httpApp(listen: string, body = "hello"): object {
  const handle = [{ handler: "static_response", body }];
  return {
    http: {
      servers: { main: { listen: [listen], routes: [{ handle }], automatic_https: { disable: true } } },
    },
  };
}

/** The ports that Caddy listens on, ascending. */
export async function portsOf(client: Pick<AdminClient, "config">): Promise<readonly number[]> {
  return listenersIn((await client.config()).apps)
    .map(({ port }) => port)
    .sort((one, other) => one - other);
}
