import { awaitEnd, identify, signalProcess } from "../caddy/process-identity.ts";
import { findAll } from "../caddy/running-caddy.ts";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import { folderHolder } from "../store/folder-lock.ts";
import { caddyFolder } from "./compiler-settings.ts";
import { setFolder } from "./set-folder.ts";

/** The manager ends the batch under way, and writes document files: 100,000 after an import. Caddy ends its requests, for a minute. */
const MANAGER_LIMIT_MS = 120_000;
const CADDY_LIMIT_MS = 70_000;

/**
 * Ends the Gatewright whose data these settings name, and its Caddy where that is asked for. Returns what was done, in
 * sentences. Throws `store_unavailable` for a process that does not end.
 */
export async function stopLocal(
  config: Config,
  { caddy }: { readonly caddy: boolean },
): Promise<readonly string[]> {
  const done = [await stopManager(config)];
  const folder = caddyFolder(config);
  const running = findAll({ binary: "", folder });
  if (running.length === 0) return [...done, "No Caddy runs."];
  if (!caddy) {
    const pids = running.map(({ pid }) => pid).join(", ");
    return [...done, `Caddy (${pids}) goes on serving; \`${config.calledAs} stop --caddy\` ends it too.`];
  }
  for (const one of running) await end(one.pid, CADDY_LIMIT_MS, "Caddy");
  return [...done, "Caddy has ended: nothing is served any more."];
}

async function stopManager(config: Config): Promise<string> {
  const pid = folderHolder(setFolder(config, "ingresses"));
  if (pid === undefined) return `No Gatewright runs on ${config.dataDir}.`;
  await end(pid, MANAGER_LIMIT_MS, "Gatewright");
  return `Gatewright (${pid}) has ended.`;
}

async function end(pid: number, limitMs: number, what: string): Promise<void> {
  const identity = identify(pid);
  if (identity === undefined) return;
  signalProcess(identity, "SIGTERM");
  if (await awaitEnd(identity, limitMs)) return;
  throw new GatewrightError("store_unavailable", `${what} (${pid}) does not end within ${limitMs / 1000} s`);
}
