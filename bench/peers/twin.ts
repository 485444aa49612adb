import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { until } from "../../test/support/until.ts";
import { type Child, startServer } from "../child.ts";
import { HttpClient } from "../http-client.ts";
import type { Bench } from "../row.ts";
import type { Site } from "../site.ts";

/** A second Caddy that serves what a site's Caddy serves, on a port of its own, and asks the same DNS. */
export interface Twin extends Child {
  readonly target: Site["target"];
}

/** Options of the app `gatewright` (caddy/app) in which twins differ. */
export interface TwinOptions {
  readonly metrics: boolean;
}

interface Config {
  readonly apps: { readonly gatewright: { readonly table_file: string } };
}

/** Starts a twin of a site whose host table is as it was at its start. */
export async function startTwin(bench: Bench, site: Site, name: string, options: TwinOptions): Promise<Twin> {
  const folder = join(bench.scratch, name);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const adminPort = await freePort();
  const config = await configOf(site);
  const moved = (text: string): string =>
    text
      .replaceAll(`:${site.httpPort}"`, `:${port}"`)
      .replaceAll(`"port":${site.httpPort},`, `"port":${port},`);
  const table = join(folder, "table.json");
  await writeFile(table, moved(await readFile(config.apps.gatewright.table_file, "utf8")));
  const { apps, ...rest } = JSON.parse(moved(JSON.stringify(config))) as Config;
  const file = join(folder, "config.json");
  const own = {
    ...rest,
    admin: { listen: `gatewright/127.0.0.1:${adminPort}`, config: { persist: false } },
    storage: { module: "file_system", root: folder },
    apps: { ...apps, gatewright: { ...apps.gatewright, ...options, table_file: table } },
  };
  await writeFile(file, JSON.stringify(own));
  const child = await startServer(bench.caddyBinary, ["run", "--config", file], {
    environment: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  const client = new HttpClient(port);
  const answers = async (): Promise<boolean> => (await client.send({}).catch(() => undefined)) !== undefined;
  await Promise.race([child.failure, until(answers)]);
  client.close();
  return { ...child, target: { ...site.target, target: `127.0.0.1:${port}` } };
}

async function configOf(site: Site): Promise<Config> {
  const { admin } = site.gatewright.ports;
  const client = new HttpClient(admin);
  const { body } = await client.succeed({
    path: "/config/",
    headers: { origin: `http://127.0.0.1:${admin}` },
  });
  client.close();
  return JSON.parse(body) as Config;
}
