import { join } from "node:path";
import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import type { EventSink } from "../model/event.ts";
import { openFileStore } from "../store/file-store.ts";
import { readStoredToken } from "../tokens/stored-token.ts";
import { Tokens } from "../tokens/tokens.ts";

/** Opens the tokens that were made here, in `DATA_DIR/tokens`. Throws `store_unavailable`. */
export async function openTokens(config: Config, events: EventSink, logger: Logger): Promise<Tokens> {
  const store = openFileStore({ folder: join(config.dataDir, "tokens"), validate: readStoredToken });
  const tokens = new Tokens({ store, events, logger });
  await tokens.open();
  return tokens;
}
