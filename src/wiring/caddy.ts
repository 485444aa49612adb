import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { outputAccessLog } from "../caddy/access-log-output.ts";
import { adminAddress } from "../caddy/admin-address.ts";
import { type AdminClient, createAdminClient } from "../caddy/admin-client.ts";
import { type CaddyBinary, obtainCaddy } from "../caddy/binary.ts";
import { forwardCaddyLog } from "../caddy/log-forwarder.ts";
import { LogTail } from "../caddy/log-tail.ts";
import { createCaddyProcess } from "../caddy/process.ts";
import { type DrainingCaddy, findDraining, servingProgram } from "../caddy/running-caddy.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import type { ManagerOptions } from "../manager/manager.ts";
import type { EventSink } from "../model/event.ts";
import { ensurePrivateFolder, PRIVATE_FILE_MODE, writeDurably } from "../store/durable.ts";
import { caddyFolder, secretFiles } from "./compiler-settings.ts";
import { accessLogPath } from "./observing-settings.ts";

export interface CaddyOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Hears of starts, ends and upgrades. */
  readonly events: EventSink;
  /** Where the lines of a long first start go. */
  readonly progress: (line: string) => void;
}

/** The Caddy of this process before it is started: its program, its folder, and the way to it. */
export interface Caddy {
  readonly api: AdminClient;
  /** The last of what it has logged. */
  readonly log: LogTail;
  readonly modules: CaddyBinary["modules"];
  readonly createHost: ManagerOptions["createHost"];
  /** Processes that were replaced and finish what they have. */
  draining(): readonly DrainingCaddy[];
  /** Writes the secrets of these settings into the files that Caddy reads with its next configuration, and keeps `secrets` out of logs. Returns whether a file changed. */
  renewSecrets(config: Config, secrets: Config["secrets"]): Promise<boolean>;
  /** Stops or leaves Caddy, as CADDY_STOP_ON_SHUTDOWN says. */
  close(): Promise<void>;
}

/**
 * Obtains the program, which a first start builds, and makes the folder with the secrets that Caddy reads. While a newer one is
 * built, the Caddy that serves is used; the newer one takes over from it.
 */
export async function openCaddy({ config, events, logger, progress }: CaddyOptions): Promise<Caddy> {
  await using stack = new AsyncDisposableStack();
  const folder = caddyFolder(config);
  await ensurePrivateFolder(folder);
  await ensurePrivateFolder(join(folder, "data"));
  await keepSecrets(config);
  const building = new AbortController();
  const binary = await obtainCaddy({
    dataDir: config.dataDir,
    sourceDir: join(import.meta.dirname, "../../caddy"),
    caddyBin: config.caddy.bin,
    environment: config.toolEnvironment,
    progress,
    serving: servingProgram(folder),
    signal: building.signal,
  });
  const secrets = config.secrets.map((secret) => secret.reveal());
  const adminUrl = adminUrlOf(config);
  const api = createAdminClient({ adminUrl, secrets, folders: [config.dataDir] });
  stack.defer(() => api.close());
  const tail = new LogTail();
  const forwarder = await forwardCaddyLog({ folder, logger, secrets, tail });
  stack.defer(() => forwarder.close());
  if (config.accessLog.stdout) {
    const output = await outputAccessLog({ file: accessLogPath(config), stream: process.stdout, logger });
    stack.defer(() => output.close());
  }
  const { environment, stopOnShutdown } = config.caddy;
  const running = stack.move();
  return {
    api,
    log: tail,
    modules: binary.modules,
    createHost: ({ prepare, started, ended, alone }) => {
      const host = createCaddyProcess({
        binary: binary.path,
        folder,
        adminUrl,
        prepare,
        environment,
        secrets,
        logger,
        events,
        drain: config.caddy.drainTimeout.text,
      });
      host
        .on("started", () => api.renew())
        .on("started", started)
        .on("exited", ended);
      running.defer(() => (stopOnShutdown ? host.stop() : host.detach()));
      const { newer } = binary;
      if (newer !== undefined) {
        logger.info("a newer Caddy is being built; the one that runs serves until then");
        const upgraded = newer
          .then(({ path }) => alone(() => host.upgrade(path)))
          .catch((error: unknown) => {
            if (building.signal.aborted) return;
            logger.error("there is no newer Caddy; the one that runs serves on", { error });
          });
        running.defer(() => upgraded);
      }
      return host;
    },
    renewSecrets: (next, renewed) => {
      // Those of before may still be told of for a while.
      secrets.push(...renewed.map((secret) => secret.reveal()).filter((one) => !secrets.includes(one)));
      return keepSecrets(next);
    },
    draining: () => findDraining({ binary: binary.path, folder }),
    close: () => {
      building.abort();
      return running.disposeAsync();
    },
  };
}

/** Leaves files alone that say so already: a full disk could not take them. Returns whether any did not. */
async function keepSecrets(config: Config): Promise<boolean> {
  let changed = false;
  for (const { path, secret } of secretFiles(config)) {
    const text = secret.reveal();
    const known = await readFile(path, "utf8").catch(() => undefined);
    if (known === text) await chmod(path, PRIVATE_FILE_MODE);
    else {
      await writeDurably(path, text);
      changed = true;
    }
  }
  return changed;
}

/** Where Caddy is driven, for `createAdminClient`. */
export function adminUrlOf({ caddy }: Config): string {
  const { adminAddress: address, adminPort } = caddy;
  return adminPort === undefined ? address : adminAddress(address, adminPort).url;
}
