import { isGatewrightError } from "../errors.ts";
import type { Committed, Writer } from "./writer.ts";

/** Refusals that may be others, or none, once it is known what other gateways have changed. */
const codesOfState: ReadonlySet<string> = new Set([
  "already_exists",
  "hostname_in_use",
  "port_in_use",
  "tls_options_conflict",
  "not_found",
  "precondition_failed",
  "ingress_set_aside",
]);

/**
 * Decides a change. Where it is refused, or found to be made already, it is decided once more with everything that other
 * gateways had committed by now: an answer holds for what was acknowledged anywhere before the call.
 */
export async function onPresentState(
  writer: Pick<Writer, "catchUp" | "revision">,
  decide: () => Promise<Committed>,
): Promise<Committed> {
  const seen = writer.revision;
  try {
    const committed = await decide();
    if (committed.changes.length > 0 || !(await writer.catchUp(seen))) return committed;
  } catch (error) {
    const restsOnState = isGatewrightError(error) && codesOfState.has(error.code);
    if (!restsOnState || !(await writer.catchUp(seen))) throw error;
  }
  return decide();
}
