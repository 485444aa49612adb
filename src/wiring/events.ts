import { join } from "node:path";
import type { Config } from "../config.ts";
import { EventLog } from "../events/event-log.ts";
import type { Logger } from "../log.ts";
import { ensurePrivateFolder } from "../store/durable.ts";

/** Opens the log of what happened, in `DATA_DIR/events`. A disk that takes nothing keeps nobody from starting. */
export async function openEvents(config: Config, logger: Logger): Promise<EventLog> {
  const folder = join(config.dataDir, "events");
  await ensurePrivateFolder(folder).catch((error: unknown) =>
    logger.warn("the folder of the event log cannot be made", { error }),
  );
  const events = new EventLog({ folder, logger });
  await events.open();
  return events;
}
