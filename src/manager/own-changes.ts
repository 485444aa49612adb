import { GatewrightError, isGatewrightError, type Problem } from "../errors.ts";
import type { Ingress, IngressRule, IngressRuleInput, SetAsideIngress } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";
import { excessCertificates, excessOf, excessPorts, grantsOf, type Owner } from "../model/limits.ts";
import { type Catalog, changedId, type IngressChange } from "./catalog.ts";
import type { WantedSet } from "./ingress-manager.ts";
import type { Decision } from "./mutations.ts";
import { isUnder } from "./owners.ts";

/** Whether a caller with limits may know of an ingress. */
export function isOwn(one: Ingress | SetAsideIngress, { subject }: Owner): boolean {
  const owner = "reason" in one ? one.ingress?.owner : one.owner;
  return owner === subject;
}

/** Throws `Forbidden` with everything in the rules that is beyond the limits, before anything is said of others. */
export function checkLimits(rules: readonly IngressRuleInput[], { limits }: Owner): void {
  refuse(excessOf(rules, limits));
}

/** The same of a set. */
export function checkSetLimits({ ingresses }: WantedSet, { limits }: Owner): void {
  refuse(
    ingresses.flatMap(({ request }, index) =>
      excessOf(request.rules, limits).map(({ field, message }) => ({
        field: `ingresses[${index}].${field}`,
        message,
      })),
    ),
  );
}

/** What decisions of an owner are held against. */
export interface OwnParts {
  readonly catalog: Catalog;
  /** The id of an imported certificate, by that or its name. */
  readonly certificateId: (reference: string) => string | undefined;
  /** Where redirects of `redirect_http` listen. */
  readonly httpPort: number;
  /** What is wanted, of a set. */
  readonly set: WantedSet | undefined;
}

/**
 * A decision that may change what is the owner's alone, within the limits. It is the writer who asks, on top of everything
 * that was decided before: no other change comes in between.
 */
export function ownDecision({ decide }: Decision, owner: Owner, parts: OwnParts): Decision {
  const { catalog, set } = parts;
  return {
    decide: function* (state) {
      // Before it is found that one is as it shall be, which nobody else is to know.
      for (const { id, request } of set?.ingresses ?? [])
        for (const taken of [id, catalog.idOfName(request.name)])
          if (taken !== undefined) checkPresent(catalog.stored(taken), owner);
      // In a set an ingress goes before it comes again.
      const gone = new Map<string, Ingress>();
      for (const change of decide(state)) {
        const id = changedId(change) ?? "";
        if (change.before !== undefined) gone.set(id, change.before);
        checkPresent(change, owner);
        if (change.after !== undefined) yield* checked(change.after, gone.get(id), owner, parts);
        yield change;
      }
    },
  };
}

/** Throws `Forbidden` with everything that keeps an ingress from taking the place of what was there. The empty changes are pauses. */
function* checked(
  after: Ingress,
  before: Ingress | undefined,
  owner: Owner,
  { catalog, certificateId, httpPort }: OwnParts,
): Generator<IngressChange> {
  if (!isOwn(after, owner)) throw new GatewrightError("internal_error", "an ingress would be another one's");
  const excess = [
    ...excessOf(after.rules, owner.limits),
    ...excessPorts(after.rules, owner.limits, httpPort),
    ...excessCertificates(after.rules, owner.limits, certificateId),
  ];
  // Others may have come since to where a rule was, or under it, and have seen it.
  const matches = new Set(before?.rules.map(matchKey));
  const demands = new Set(before?.rules.map(demandKey));
  for (const [index, rule] of after.rules.entries()) {
    const held = matches.has(matchKey(rule)) ? undefined : heldByOthers(rule, owner, catalog);
    if (held !== undefined) excess.push({ field: `rules[${index}].match.hostname`, message: held });
    const key = demandKey(rule);
    if (key === undefined || demands.has(key)) continue;
    const message = demandsOfOthers(rule, owner, catalog);
    if (message !== undefined) excess.push({ field: `rules[${index}].tls_options`, message });
    // Every host that is held was looked at.
    yield {};
  }
  refuse(excess);
}

/** Equal for rules that take the same requests. */
function matchKey({ match, redirect_http }: IngressRule): string {
  const { headers = {}, ...rest } = match;
  return JSON.stringify([rest, Object.entries(headers).sort(), redirect_http]);
}

/** Equal for rules that demand the same of TLS for the hosts of a wildcard; undefined for what demands nothing of others. */
function demandKey({ match: { hostname }, tls_options = {} }: IngressRule): string | undefined {
  const { certificate, client_auth, min_version } = tls_options;
  if (!hostnameShape(hostname).includes("*")) return undefined;
  if (certificate === undefined && client_auth === undefined && min_version === undefined) return undefined;
  return JSON.stringify([hostname, certificate, min_version, Object.entries(client_auth ?? {}).sort()]);
}

function checkPresent({ before, setAside }: IngressChange, owner: Owner): void {
  for (const present of [before, setAside])
    if (present !== undefined && !isOwn(present, owner))
      throw new GatewrightError(
        "already_exists",
        "ingress already exists: this name or id is that of an ingress which is not yours",
      );
}

/** Codes whose messages name who holds what is wanted. */
const namingCodes: ReadonlySet<string> = new Set(["hostname_in_use", "port_in_use", "tls_options_conflict"]);

/** A message without names of others: of ingresses, of hosts on a certificate, of instances that a misspelt name is like. */
function unnamed(code: string, message: string): string {
  if (namingCodes.has(code))
    return "another rule stands against this one; whose it is, is not told to a token with limits";
  if (code === "certificate_not_found")
    return "no imported certificate has this id or name, or it does not cover the hostname";
  return code === "instance_not_found" ? message.replace(/; the nearest name is .*/s, "") : message;
}

/** The same error without the names of others' ingresses. */
export function withoutOthers(error: unknown): unknown {
  if (!isGatewrightError(error)) return error;
  const details = error.details.map((problem) => ({
    ...problem,
    message: unnamed(problem.code, problem.message),
  }));
  const { cause, code } = error;
  return new GatewrightError(code, unnamed(code, error.message), { details, cause });
}

/**
 * A name under a host that is not the caller's would take its requests, whatever the path or port, and whether somebody owns it
 * or nobody. A wildcard that is wider than what the limits name was given away in part by whoever made the token.
 */
function heldByOthers(
  { match: { hostname } }: IngressRule,
  { limits, subject }: Owner,
  { owners, setAside }: Catalog,
): string | undefined {
  const held = [owners, setAside.owners].flatMap((one) => one.heldByOthers(hostname, subject));
  if (held.length === 0) return undefined;
  const grants = grantsOf(hostname, limits);
  const isGivenAway = (shape: string) => grants.some((grant) => grant !== shape && isUnder(grant, shape));
  if (held.every(isGivenAway)) return undefined;
  return `hostname ${JSON.stringify(hostname)} is under a host that is another subject's, or nobody's: only its owner, or a token without limits, can claim it`;
}

/**
 * What a wildcard demands of TLS holds for the hosts under it that demand nothing themselves (caddy/table/tls.go), whoever has them:
 * nobody is to shut others' clients out, or show them another certificate.
 */
function demandsOfOthers(
  { match: { hostname } }: IngressRule,
  { subject }: Owner,
  { owners, setAside }: Catalog,
): string | undefined {
  if ([owners, setAside.owners].every((one) => one.heldUnder(hostname, subject) === undefined))
    return undefined;
  return `tls_options of ${JSON.stringify(hostname)} would hold for a host under it that is another subject's, or nobody's: leave them out, or claim the hosts that are yours one by one`;
}

function refuse(excess: readonly Omit<Problem, "code">[]): void {
  const details = excess.map((one) => ({ code: "Forbidden", ...one }) as const);
  const [first] = details;
  if (first !== undefined)
    throw new GatewrightError("Forbidden", first.message, { details: details.slice(0, 200) });
}
