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

/** The same of what ingresses refer to. */
const codesOfReferences: ReadonlySet<string> = new Set([
  "instance_not_found",
  "instance_no_network",
  "target_not_allowed",
  "certificate_not_found",
]);

export interface PresentParts {
  readonly writer: Pick<Writer, "catchUp" | "revision">;
  /** Makes sure that what ingresses refer to is as all gateways have it. Default: there is no other. */
  readonly confirmReferences?: (() => Promise<void>) | undefined;
}

/**
 * Decides a change. Where it is refused, or found to be made already, it is decided once more with everything that other
 * gateways had committed by now: an answer holds for what was acknowledged anywhere before the call.
 */
export async function onPresentState(
  { confirmReferences, writer }: PresentParts,
  decide: () => Promise<Committed>,
): Promise<Committed> {
  const seen = writer.revision;
  try {
    const committed = await decide();
    if (committed.changes.length > 0 || !(await writer.catchUp(seen))) return committed;
  } catch (error) {
    if (!isGatewrightError(error)) throw error;
    const codes = [error.code, ...error.details.map(({ code }) => code)];
    const restsOnReferences = codes.some((code) => codesOfReferences.has(code));
    const restsOnState = codes.some((code) => codesOfState.has(code));
    const isConfirmed = restsOnReferences && confirmReferences !== undefined;
    if (isConfirmed) await confirmReferences();
    const isNew = restsOnState && (await writer.catchUp(seen));
    if (!isConfirmed && !isNew) throw error;
  }
  return decide();
}
