import { watchFile } from "node:fs";
import { flushCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import manifest from "../package.json" with { type: "json" };
import { loadConfig } from "./config.ts";
import { GatewrightError } from "./errors.ts";
import type { RootLogger } from "./log.ts";
import { compactHeap } from "./wiring/compact-heap.ts";
import { checkDataFolder } from "./wiring/data-folder.ts";
import { checkDataFormat } from "./wiring/data-format.ts";
import type { Gatewright } from "./wiring/gatewright.ts";
import { prefetchFolders } from "./wiring/prefetched-folders.ts";
import { createNotifier } from "./wiring/service/notify.ts";
import { apiReach, farewell, welcome } from "./wiring/welcome.ts";

/**
 * Keeps V8's young generation at its size. Reading 100,000 ingresses grows it to 130 MB, which saves a tenth of the
 * time and stays until the heap is compacted.
 */
const HEAP_FLAGS = "--semi-space-growth-factor=1";
/** From ready on; the first requests come before. */
const COMPACT_AFTER_MS = 2_000;
/** Files of secrets are watched by their times, which holds on every file system and where a link is led elsewhere. */
const SECRETS_WATCHED_MS = 5_000;

async function main(): Promise<void> {
  // First: the first process of a container gets no signal that it has no handler for.
  const ending = signalled();
  // Caddy inherits it: its storage makes lock files that everybody may read otherwise.
  process.umask(0o077);
  const config = loadConfig();
  checkDataFolder(config.dataDir);
  checkDataFormat(config.dataDir);
  const prefetched = prefetchFolders(config);
  const isLarge = prefetched.ingresses !== undefined || prefetched.instances !== undefined;
  if (!isLarge) setFlagsFromString(HEAP_FLAGS);
  // Loading these takes half a second, in which other threads look at large folders.
  const [{ createLogger }, { startGatewright }] = await Promise.all([
    import("./log.ts"),
    import("./wiring/gatewright.ts"),
  ]);
  const logger = createLogger(config.log);
  for (const warning of config.warnings) logger.warn(warning);
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const starting = startGatewright({ config, logger, version: manifest.version, progress, prefetched });
  const gatewright = await Promise.race([starting, ending]);
  if (gatewright === undefined) process.exit(130);
  process.stderr.write(welcome(gatewright.config));
  setTimeout(() => compact(isLarge), COMPACT_AFTER_MS).unref();
  renewWhenAsked(gatewright, logger);
  const notifier = createNotifier(config, logger);
  notifier.ready(apiReach(gatewright.config));
  await ending;
  notifier.stopping();
  await end(gatewright, logger);
}

/** What is better done when the first requests have been answered. */
function compact(isLarge: boolean): void {
  if (isLarge) setFlagsFromString(HEAP_FLAGS);
  compactHeap();
  // Node keeps it at an orderly end only, and the next start may come after a kill.
  flushCompileCache();
}

/**
 * Resolves with the first signal to end. Later ones are ignored: a process group's signal arrives more than once, and
 * what is under way must be finished.
 */
function signalled(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  // A process that belongs to a terminal ends when that is closed; a service reads its settings again.
  const signals = ["SIGTERM", "SIGINT", ...(process.stdin.isTTY ? (["SIGHUP"] as const) : [])] as const;
  for (const signal of signals) process.on(signal, () => resolve(undefined));
  // It would end one that is still starting.
  if (!process.stdin.isTTY) process.on("SIGHUP", () => undefined);
  return promise;
}

/** Reads the settings again at SIGHUP, and when the file of a secret changes; one after another. Wrong ones change nothing. */
function renewWhenAsked(gatewright: Gatewright, logger: RootLogger): void {
  let renewing = Promise.resolve();
  const renew = (): void => {
    renewing = renewing
      .then(() => gatewright.renew(loadConfig()))
      .catch((error: unknown) => logger.error("the settings were not read again", { error }));
  };
  if (!process.stdin.isTTY) process.on("SIGHUP", renew);
  for (const file of Object.values(gatewright.config.secretFiles))
    watchFile(file, { interval: SECRETS_WATCHED_MS, persistent: false }, renew);
}

async function end(gatewright: Gatewright, logger: RootLogger): Promise<void> {
  logger.info("stopping");
  await gatewright.stop();
  await logger.close();
  // Whoever pressed Ctrl-C shall know what goes on.
  if (process.stderr.isTTY) process.stderr.write(farewell(gatewright.config));
}

main().catch((error: unknown) => {
  process.stderr.write(
    error instanceof GatewrightError
      ? `\n${error.code}: ${error.message}\n`
      : `\n${String((error as Error).stack)}\n`,
  );
  process.exitCode = 1;
  // Whatever was started before the failure must not keep the process.
  setTimeout(() => process.exit(1), 2_000).unref();
});
