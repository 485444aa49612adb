import { join } from "node:path";
import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import { Follower } from "../manager/follower.ts";
import type { RunningManager } from "../manager/manager.ts";
import { WriterRecord } from "../manager/writer-record.ts";
import { admissionSettings } from "./admission-settings.ts";

/** Begins to follow the Gatewright at FOLLOW_URL; undefined where there is none. */
export function startFollower(
  config: Config,
  { followed }: Pick<RunningManager, "followed">,
  logger: Logger,
): Follower | undefined {
  const { follow } = config.caddy;
  if (follow === undefined) return undefined;
  const { ports } = admissionSettings(config);
  const follower = new Follower({
    url: follow.url,
    ...(follow.writer === undefined ? {} : { writer: follow.writer }),
    record: new WriterRecord(join(config.dataDir, "followed.json")),
    ...(follow.token === undefined ? {} : { token: follow.token.reveal() }),
    intervalMs: follow.interval.ms,
    read: (value) => readStoredIngress(value, ports),
    ingresses: followed,
    logger,
  });
  follower.start();
  return follower;
}
