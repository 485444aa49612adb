import { isDomainAllowed } from "./allowed-domains.ts";
import type { IngressRule, IngressRuleInput, TokenLimits } from "./api.ts";
import { hostnameShape, isHostnameProblem, parseHostname } from "./hostname.ts";
import { targetFields } from "./target.ts";
import { quote, ruleField } from "./wording.ts";

/** Whose ingresses a caller with limits may see and change, and what these may be. */
export interface Owner {
  readonly subject: string;
  readonly limits: TokenLimits;
}

/** Who owns nothing: anybody may be called so. */
const nobodies: ReadonlySet<string> = new Set([
  "",
  "anonymous",
  "gatewright",
  "socket",
  "unknown",
  "unnamed",
]);
/** Longer ones are cut where they are kept. */
const LONGEST_SUBJECT = 199;

/** Whether a subject is somebody who can own ingresses. */
export function canOwn(subject: string): boolean {
  return !nobodies.has(subject) && subject.length <= LONGEST_SUBJECT;
}

/** What a rule has that the limits do not allow: its field, and what is missing. */
export interface Excess {
  readonly field: string;
  readonly message: string;
}

/** What of the rules is beyond limits, as they are asked for or as they are stored; but for ports. */
export function excessOf(rules: readonly IngressRuleInput[], limits: TokenLimits): readonly Excess[] {
  return rules.flatMap((rule, index) =>
    [...excessOfRule(rule, limits)].map(({ field, message }) => ({
      field: ruleField(index, field),
      message,
    })),
  );
}

/**
 * The same of listen ports, which are known of stored rules alone: the settings have the default ones. A redirect listens on
 * `httpPort`.
 */
export function excessPorts(
  rules: readonly IngressRule[],
  limits: TokenLimits,
  httpPort: number,
): readonly Excess[] {
  const { ports } = limits;
  if (ports === undefined) return [];
  return rules.flatMap(({ match, redirect_http }, index) =>
    [
      { field: "match.port", port: match.port },
      ...(redirect_http === true ? [{ field: "redirect_http", port: httpPort }] : []),
    ].flatMap(({ field, port }) =>
      ports.includes(port)
        ? []
        : { ...beyond(field, `port ${port}`, "ports", limits), field: ruleField(index, field) },
    ),
  );
}

/**
 * The same of imported certificates, which stored rules have by their ids; `idOf` finds the id of a name. A certificate that is
 * shown to a target says who asks there.
 */
export function excessCertificates(
  rules: readonly IngressRule[],
  limits: TokenLimits,
  idOf: (reference: string) => string | undefined,
): readonly Excess[] {
  if (limits.certificates === undefined) return [];
  const allowed = new Set(limits.certificates.map(idOf));
  return rules.flatMap(({ tls_options, upstream }, index) =>
    [
      { field: "tls_options.certificate", id: tls_options?.certificate },
      { field: "upstream.tls.certificate", id: upstream?.tls?.certificate },
    ].flatMap(({ field, id }) =>
      id === undefined || allowed.has(id)
        ? []
        : { ...beyond(field, "the certificate", "certificates", limits), field: ruleField(index, field) },
    ),
  );
}

function* excessOfRule(rule: IngressRuleInput, limits: TokenLimits): Generator<Excess> {
  const { hostnames, instances, policies } = limits;
  const { hostname = "*" } = rule.match;
  if (hostnames !== undefined && !isCovered(hostname, hostnames))
    yield beyond("match.hostname", `hostname ${quote(hostname)}`, "hostnames", limits);
  if (policies !== undefined)
    for (const name of Object.keys(rule.policies ?? {}))
      if (!policies.includes(name)) yield beyond(`policies.${name}`, `policy ${name}`, "policies", limits);
  if (instances === undefined) return;
  for (const { field, target } of targetFields(rule)) {
    const { address = "", instance, service = address } = target;
    if (instance === undefined || !instances.includes(instance))
      yield beyond(field, `target ${quote(instance ?? service)}`, "instances", limits);
  }
  if (rule.policies?.forward_auth !== undefined)
    yield beyond("policies.forward_auth", "a service of one's own choice", "instances", limits);
}

function beyond(field: string, what: string, limit: keyof TokenLimits, limits: TokenLimits): Excess {
  const allowed = JSON.stringify(limits[limit]);
  const shown = allowed.length > 300 ? `${allowed.slice(0, 300)}…` : allowed;
  return { field, message: `${what} is beyond the token's limits: limits.${limit} is ${shown}` };
}

function isCovered(hostname: string, patterns: readonly string[]): boolean {
  const parsed = parseHostname(hostname);
  return !isHostnameProblem(parsed) && isDomainAllowed(parsed.canonical, patterns);
}

/** The patterns, as shapes, by which limits allow a hostname of a rule. */
export function grantsOf(hostname: string, { hostnames }: TokenLimits): readonly string[] {
  return (hostnames ?? []).filter((one) => isDomainAllowed(hostname, [one])).map(shapeOf);
}

function shapeOf(text: string): string {
  const parsed = parseHostname(text);
  return isHostnameProblem(parsed) ? text : hostnameShape(parsed.canonical);
}
