import { GatewrightError, type Problem } from "../errors.ts";
import type { CreateTokenRequest } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { canOwn } from "../model/limits.ts";
import { permits, type Rights } from "../model/rights.ts";

/** Throws `Forbidden` with everything that a token would permit and whoever asks for it may not do. */
export function checkGrant({ scopes }: CreateTokenRequest, maker: Rights): void {
  const details = scopes.flatMap((scope, index): readonly Problem[] =>
    permits(maker, scope)
      ? []
      : [
          {
            code: "Forbidden",
            field: `scopes[${index}]`,
            message: `missing required scope: ${scope}; a token permits no more than the one that it is made with`,
          },
        ],
  );
  const [first] = details;
  if (first !== undefined) throw new GatewrightError("Forbidden", first.message, { details });
}

/** Throws `bad_request` for limits of a subject that can own nothing, and for hostnames that are none. */
export function checkTokenLimits({ limits, name, subject = name }: CreateTokenRequest): void {
  if (limits === undefined) return;
  if (!canOwn(subject))
    throw refused(
      "subject",
      "nobody by this subject can own ingresses, which limits are about: choose another",
    );
  for (const [index, text] of (limits.hostnames ?? []).entries()) {
    const parsed = parseHostname(text);
    if (isHostnameProblem(parsed)) throw refused(`limits.hostnames[${index}]`, parsed.problem);
  }
}

/** When the token ends, as RFC 3339; undefined for one without an end. Throws `bad_request`. */
export function expiryOf(request: CreateTokenRequest, nowMs: number): string | undefined {
  const { expires_at, expires_in } = request;
  if (expires_at !== undefined && expires_in !== undefined)
    throw refused(
      "expires_in",
      "expires_in and expires_at are two answers to one question: give one of them",
    );
  if (expires_in !== undefined) {
    const ms = durationMs(expires_in);
    const end = new Date(nowMs + (ms ?? Number.NaN));
    if (Number.isNaN(end.getTime()) || end.getUTCFullYear() > 9999)
      throw refused("expires_in", 'expires_in is no duration: write it as "720h" or "90m"');
    return end.toISOString();
  }
  if (expires_at === undefined) return undefined;
  const end = Date.parse(expires_at);
  if (!(end > nowMs)) throw refused("expires_at", "expires_at has passed: give a time that is still to come");
  return new Date(end).toISOString();
}

function refused(field: string, message: string): GatewrightError {
  const details: readonly Problem[] = [{ code: "invalid_value", field, message }];
  return new GatewrightError("bad_request", `invalid request: ${message}`, { details });
}
