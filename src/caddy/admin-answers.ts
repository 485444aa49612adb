import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { CaddyCertificate, RehearsedRequest, RunningVersions } from "./caddy-api.ts";
import type { Scrub } from "./scrub.ts";

/**
 * Who is at the admin address: a Caddy, with the command line of its process; something else that takes connections;
 * or nobody.
 */
export type Probe =
  | { readonly kind: "caddy"; readonly args: readonly string[] }
  | { readonly kind: "other" | "nothing" };

/** Reads `/gatewright/state`. Throws `caddy_unavailable` for any other answer. */
export function parseVersions(body: string): RunningVersions {
  try {
    const { config, generation = 0, table, changes, staged } = JSON.parse(body) as Partial<RunningVersions>;
    if (typeof config === "string" && typeof table === "string")
      return { config, table, generation, changes, staged };
  } catch {
    // Falls through: not the answer of our endpoint.
  }
  throw new GatewrightError("caddy_unavailable", "Caddy's /gatewright/state did not answer with versions");
}

/** Certificates and tries. Reasons of failures may quote what was sent, so they are scrubbed as everything that Caddy says. */
export function parseCertificates(body: string, scrub: Scrub): readonly CaddyCertificate[] {
  const { certificates } = JSON.parse(body) as { readonly certificates: readonly CaddyCertificate[] };
  return certificates.map((one) =>
    one.attempt?.error === undefined
      ? one
      : { ...one, attempt: { ...one.attempt, error: scrub(one.attempt.error) } },
  );
}

/** A Caddy of another build has everything but the endpoint that is asked. */
export function lackingExplain(error: unknown): unknown {
  if (!isGatewrightError(error, "caddy_modules_missing")) return error;
  const message =
    "the running Caddy lacks the module admin.api.gatewright_explain; build it from caddy/, or unset CADDY_BIN";
  return new GatewrightError("module_missing", message, { cause: error });
}

/** Reasons are words of Caddy's; the rest is what was asked, and is left as it is. */
export function parseRehearsed(body: string, scrub: Scrub): RehearsedRequest {
  const reasons: ReadonlySet<string> = new Set(["error", "reason", "connection"]);
  return JSON.parse(body, (key, value: unknown) =>
    typeof value === "string" && reasons.has(key) ? scrub(value) : value,
  ) as RehearsedRequest;
}

/** Go's expvar page, whoever's it is. */
export function parseProbe(body: string): Probe {
  const { cmdline } = JSON.parse(body) as { readonly cmdline?: unknown };
  const args = Array.isArray(cmdline) ? cmdline.filter((arg) => typeof arg === "string") : [];
  return args.length === 0 ? { kind: "other" } : { kind: "caddy", args };
}
