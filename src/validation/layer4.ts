import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { Problem } from "../errors.ts";
import type { CreateIngressRequest, IngressRule, IngressRuleInput } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { isAddress } from "../model/hostname.ts";
import { isLayer4, isNamed, type Protocol, protocolOf } from "../model/protocol.ts";
import { targetsOf } from "../model/target.ts";
import { quote } from "../model/wording.ts";
import { policiesOf, policyField } from "../policies/index.ts";
import { Report } from "../policies/report.ts";

const MAX_IDLE_MS = 24 * 3_600_000;
const layer4Balancing = ["round_robin", "least_conn", "random", "ip_hash", "first"] as const;

/** The problems of a rule's protocol: what connections of layer 4 cannot have, and what only they have. */
export function layer4Problems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  const report = new Report(ruleIndex);
  const protocol = protocolOf(rule);
  idleProblems(rule, report);
  if (!isLayer4(rule)) {
    if (rule.policies?.max_connections !== undefined)
      report.refuse("policies.max_connections", "needs match.protocol tls, tcp or udp");
    return report.problems;
  }
  matchProblems(rule, protocol, report);
  upstreamProblems(rule, protocol, report);
  policyProblems(rule, protocol, report);
  for (const [index, { wake, mode }] of targetsOf(rule).entries()) {
    const field = rule.targets === undefined ? "target" : `targets[${index}]`;
    if (wake === true || mode === "pause")
      report.refuse(`${field}.${wake === true ? "wake" : "mode"}`, `is not for protocol ${protocol}`);
  }
  return report.problems;
}

function idleProblems({ policies }: IngressRuleInput, report: Report): void {
  const idle = policies?.timeouts?.idle;
  if (idle === undefined) return;
  const ms = durationMs(idle);
  if (ms !== undefined && ms >= 100 && ms <= MAX_IDLE_MS) return;
  report.refuse("policies.timeouts.idle", "write it as 30s, 10m or 1h, at least 100ms and at most 24h");
}

function matchProblems(rule: IngressRuleInput, protocol: Protocol, report: Report): void {
  const { match, tls = false } = rule;
  for (const key of ["path", "methods", "headers"] as const)
    if (match[key] !== undefined) report.refuse(`match.${key}`, `is not for protocol ${protocol}`);
  if (rule.redirect_http === true) report.refuse("redirect_http", `is not for protocol ${protocol}`);
  if (protocol !== "tls" && (match.port ?? 0) === 0)
    report.refuse("match.port", `is required with protocol ${protocol}`);
  if (tls && protocol === "tls")
    report.refuse("tls", "with protocol tls connections pass undecrypted; use protocol tcp to end TLS here");
  if (tls && protocol === "udp") report.refuse("tls", "is not for protocol udp");
  if (protocol !== "tls" && !tls && (match.hostname ?? "*") !== "*")
    report.refuse(
      "match.hostname",
      `connections of ${protocol} have no name; leave it out, or use protocol tls to match the name that TLS clients ask for`,
    );
  // An IPv6 address may be in brackets before it is normalised.
  if (isAddress((match.hostname ?? "").replace(/[[\]]/g, "")))
    report.refuse(
      "match.hostname",
      "TLS clients do not name IP addresses (RFC 6066 section 3); use * or a name",
    );
  if (rule.tls_options?.hsts !== undefined)
    report.refuse("tls_options.hsts", `is not for protocol ${protocol}`);
}

function upstreamProblems({ upstream = {} }: IngressRuleInput, protocol: Protocol, report: Report): void {
  for (const key of ["scheme", "host_header"] as const)
    if (upstream[key] !== undefined)
      report.refuse(
        `upstream.${key}`,
        `is not for protocol ${protocol}; upstream.tls alone has TLS spoken with the target`,
      );
  const { tls, upgrade } = upstream;
  if (upgrade !== undefined) report.refuse("upstream.upgrade", `is not for protocol ${protocol}`);
  if (tls !== undefined && tls.server_name === undefined && tls.insecure_skip_verify !== true)
    report.refuse(
      "upstream.tls.server_name",
      "is required: the name that the target's certificate must have",
    );
  if (protocol === "udp")
    for (const key of ["tls", "proxy_protocol"] as const)
      if (upstream[key] !== undefined) report.refuse(`upstream.${key}`, "is not for protocol udp");
  if (protocol === "tls" && upstream.tls !== undefined)
    report.refuse(
      "upstream.tls",
      "with protocol tls connections pass undecrypted; use protocol tcp with tls",
    );
}

function policyProblems(rule: IngressRuleInput, protocol: Protocol, report: Report): void {
  for (const [policy] of policiesOf(rule))
    if (policy.onLayer4 !== true) report.refuse(policyField(policy), `is not for protocol ${protocol}`);
  const { load_balancing: balancing, health_check: health, timeouts } = rule.policies ?? {};
  for (const key of ["response_header", "read_idle"] as const)
    if (timeouts?.[key] !== undefined)
      report.refuse(`policies.timeouts.${key}`, `is not for protocol ${protocol}`);
  const policy = balancing?.policy ?? "round_robin";
  if (!layer4Balancing.some((one) => one === policy))
    report.refuse(
      "policies.load_balancing.policy",
      `with protocol ${protocol} use ${layer4Balancing.join(", ")}`,
    );
  for (const key of ["retries", "try_duration", "cookie", "header"] as const)
    if (balancing?.[key] !== undefined)
      report.refuse(`policies.load_balancing.${key}`, `is not for protocol ${protocol}`);
  if (protocol === "udp" && health?.active !== undefined)
    report.refuse("policies.health_check.active", "is not for protocol udp, which has no connections to try");
  for (const key of ["path", "host", "status"] as const)
    if (health?.active?.[key] !== undefined)
      report.refuse(
        `policies.health_check.active.${key}`,
        `is not for protocol ${protocol}, whose checks are connections`,
      );
}

/** The problems of an ingress's listen addresses. */
export function listenProblems({ listen = [] }: CreateIngressRequest): Problem[] {
  return [...listen.entries()].flatMap(([index, text]) => {
    const family = text.includes("%") ? 0 : isIP(text);
    const unspecified = family !== 0 && ipaddr.process(text).range() === "unspecified";
    if (family !== 0 && !unspecified) return [];
    const message = `listen[${index}] ${quote(text)} must be an IP address of this machine such as 192.0.2.10${unspecified ? "; leave listen out for all" : ""}`;
    return [{ code: "invalid_value", field: `listen[${index}]`, message }];
  });
}

/** Listen addresses in their one form. */
export function normalizeListen(listen: readonly string[]): readonly string[] {
  const addresses = listen
    .filter((text) => ipaddr.isValid(text))
    .map((text) => ipaddr.process(text).toString());
  return [...new Set(addresses)].sort();
}

/** A TCP port of its own cannot be the one on which redirects and ACME challenges are answered. */
export function reservedPortProblems(
  rules: readonly (IngressRule | undefined)[],
  { httpPort }: { readonly httpPort: number },
): Problem[] {
  return rules.flatMap((rule, index) => {
    if (rule === undefined || isNamed(rule) || protocolOf(rule) !== "tcp" || rule.match.port !== httpPort)
      return [];
    const message = `match.port ${httpPort} in rule ${index} is HTTP_PORT, where redirects and certificate challenges are answered; choose another port`;
    return [{ code: "invalid_value" as const, field: `rules[${index}].match.port`, message }];
  });
}
