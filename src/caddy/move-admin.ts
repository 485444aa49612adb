import { readFile } from "node:fs/promises";
import type { CaddyConfig } from "../caddy-json/config.ts";
import { type AdminAddress, parseAdminUrl } from "./admin-address.ts";
import { createAdminClient } from "./admin-client.ts";
import { type CaddyPaths, configPath, isOurCommandLine } from "./running-caddy.ts";

/**
 * Has our running Caddy listen at another admin address, where config.json says that it is at a former one: by loading
 * what it runs with the new address, so that it serves on. Does nothing where the address is the same, or where
 * something else answers there. Never throws: whether Caddy has moved is seen at the new address.
 */
export async function moveAdmin(paths: CaddyPaths, to: AdminAddress): Promise<void> {
  const former = await formerAddress(paths).catch(() => undefined);
  if (former === undefined || parseAdminUrl(former).listen === to.listen) return;
  const client = createAdminClient({ adminUrl: former });
  try {
    const probe = await client.probe();
    if (probe.kind !== "caddy" || !isOurCommandLine(probe.args, paths)) return;
    const config = (await client.config()) as CaddyConfig;
    await client.load({ ...config, admin: { ...config.admin, listen: to.listen, origins: to.origins } });
  } catch {
    // The answer may be lost with the endpoint that it comes from.
  } finally {
    await client.close();
  }
}

/** Where a Caddy that was started from config.json listens. */
async function formerAddress(paths: CaddyPaths): Promise<string | undefined> {
  const config = JSON.parse(await readFile(configPath(paths), "utf8")) as Partial<CaddyConfig>;
  return config.admin?.listen.replace(/^(?:gatewright|tcp)\//, "").replace(/^unix-gatewright\//, "unix/");
}
