import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import type { EventSink } from "../model/event.ts";
import { readStoredToken } from "../tokens/stored-token.ts";
import { Tokens } from "../tokens/tokens.ts";
import { openSet, type SharedStore } from "./shared-store.ts";

/** Opens the tokens that were made here, in `DATA_DIR/tokens` or on etcd. Throws `store_unavailable`. */
export async function openTokens(
  config: Config,
  {
    events,
    logger,
    shared,
  }: { readonly events: EventSink; readonly logger: Logger; readonly shared: SharedStore | undefined },
): Promise<Tokens> {
  const store = openSet(config, shared, "tokens", { validate: readStoredToken });
  const tokens = new Tokens({ store, events, logger });
  await tokens.open();
  return tokens;
}
