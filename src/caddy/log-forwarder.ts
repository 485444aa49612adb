import type { Logger } from "../log.ts";
import { type FollowedFile, type FollowOptions, followFile } from "./follow-file.ts";
import { parseLogEntry } from "./log-entry.ts";
import { caddyLogPath } from "./log-settings.ts";
import type { LogTail } from "./log-tail.ts";
import { createScrub } from "./scrub.ts";

export interface LogForwarderOptions extends Pick<FollowOptions, "pollMs" | "mostBehindBytes"> {
  /** `<DATA_DIR>/caddy`; must exist. */
  readonly folder: string;
  /** Gets Caddy's entries at their own level. */
  readonly logger: Logger;
  /** Keeps the last ones. Default: nothing does. */
  readonly tail?: Pick<LogTail, "add">;
  /** Values that are taken out of every entry. */
  readonly secrets?: readonly string[];
}

/** Follows Caddy's log from now on. */
export type LogForwarder = FollowedFile;

/**
 * Passes each new entry of `<folder>/caddy.log` to the logger, also across Caddy's rotation of the file. What was
 * written before is not repeated. The log itself stays whole in its file: a flood is skipped here, and the number of
 * bytes is logged.
 */
export function forwardCaddyLog(options: LogForwarderOptions): Promise<LogForwarder> {
  const { folder, logger, secrets = [], tail, ...reading } = options;
  const scrub = createScrub(secrets, [folder]);
  return followFile({
    ...reading,
    file: caddyLogPath(folder),
    onLines: (lines) => {
      for (const line of lines.toString("utf8").split("\n")) {
        const entry = parseLogEntry(line, scrub);
        if (entry === undefined) continue;
        logger[entry.level](entry.message, entry.fields);
        tail?.add(entry);
      }
    },
    onSkipped: (skipped) =>
      logger.warn("Caddy logs faster than its entries are forwarded; caddy.log has all", { skipped }),
    onError: (error) => logger.warn("caddy.log cannot be followed", { error }),
  });
}
