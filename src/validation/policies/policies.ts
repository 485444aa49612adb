import type { Problem } from "../../errors.ts";
import type { IngressRuleInput, Policies, RateLimitPolicy, TimeoutsPolicy } from "../../model/api.ts";
import { byteSize } from "../../model/byte-size.ts";
import { durationMs } from "../../model/duration.ts";
import { quote } from "../wording.ts";
import { basicAuthProblems } from "./basic-auth.ts";
import { forwardAuthProblems } from "./forward-auth.ts";
import { headersProblems } from "./headers.ts";
import { networkProblems, normalizeNetworks } from "./networks.ts";
import { Report } from "./report.ts";
import { normalizeRewrite, rewriteProblems } from "./rewrite.ts";
import { upstreamProblems } from "./upstream.ts";

const MAX_TIMEOUT_MS = 24 * 3_600_000;
const MAX_BURST_OF_CLIENT = 10_000;
const PAGE_KEY = /^[45](?:\d\d|xx)$/;

/** What is wrong with a rule's `policies` and `upstream` beyond the schema, in the order of the policies. */
export function policyProblems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  const report = new Report(ruleIndex);
  const { policies = {}, upstream, match } = rule;
  if (upstream !== undefined) upstreamProblems(upstream, report);
  const { access, rate_limit, maintenance, basic_auth, forward_auth, headers, rewrite } = policies;
  networkProblems(access?.allow, "policies.access.allow", report);
  networkProblems(access?.deny, "policies.access.deny", report);
  if (rate_limit !== undefined) rateLimitProblems(rate_limit, report);
  networkProblems(rate_limit?.exempt, "policies.rate_limit.exempt", report);
  networkProblems(maintenance?.exempt, "policies.maintenance.exempt", report);
  if (basic_auth !== undefined) basicAuthProblems(basic_auth, report);
  if (forward_auth !== undefined) forwardAuthProblems(forward_auth, report);
  if (headers !== undefined) headersProblems(headers, report);
  if (rewrite !== undefined) rewriteProblems(rewrite, match.path, report);
  if (policies.timeouts !== undefined) timeoutProblems(policies.timeouts, report);
  if (policies.max_request_body !== undefined && byteSize(policies.max_request_body) === undefined) {
    report.refuse("policies.max_request_body", "write it as 512KB, 10MB or 1GiB");
  }
  for (const status of Object.keys(policies.error_pages ?? {})) {
    if (PAGE_KEY.test(status)) continue;
    report.refuse(
      `policies.error_pages[${quote(status)}]`,
      "name a status from 400 to 599, or the classes 4xx and 5xx",
    );
  }
  return report.problems;
}

/** The limiter keeps a time for each request of the burst, for each client that it counts. */
function rateLimitProblems({ key, burst, requests_per_second }: RateLimitPolicy, report: Report): void {
  if (key === "rule" || (burst ?? requests_per_second) <= MAX_BURST_OF_CLIENT) return;
  const part = burst === undefined ? "requests_per_second" : "burst";
  const remedy = burst === undefined ? "set a burst" : "use a smaller one";
  const reason = `a burst above ${MAX_BURST_OF_CLIENT} takes too much memory for each client; ${remedy}, or key "rule"`;
  report.refuse(`policies.rate_limit.${part}`, reason, "out_of_range");
}

function timeoutProblems(timeouts: TimeoutsPolicy, report: Report): void {
  for (const key of ["connect", "response_header"] as const) {
    const text = timeouts[key];
    const ms = text === undefined ? 1 : durationMs(text);
    if (ms !== undefined && ms <= MAX_TIMEOUT_MS) continue;
    report.refuse(`policies.timeouts.${key}`, "write it as 500ms, 30s or 1m, above 0 and at most 24h");
  }
}

/** Policies as they are stored, answered and compiled: networks and paths in their one form. They have no problems. */
export function normalizePolicies(policies: Policies): Policies {
  const { access, rate_limit, maintenance, rewrite } = policies;
  return {
    ...policies,
    ...(access === undefined ? {} : { access: withNetworks(access, ["allow", "deny"]) }),
    ...(rate_limit === undefined ? {} : { rate_limit: withNetworks(rate_limit, ["exempt"]) }),
    ...(maintenance === undefined ? {} : { maintenance: withNetworks(maintenance, ["exempt"]) }),
    ...(rewrite === undefined ? {} : { rewrite: normalizeRewrite(rewrite) }),
  };
}

function withNetworks<Key extends string, Policy extends { readonly [key in Key]?: readonly string[] }>(
  policy: Policy,
  keys: readonly Key[],
): Policy {
  const changed = keys.flatMap((key) => {
    const networks = policy[key];
    return networks === undefined ? [] : [[key, normalizeNetworks(networks)] as const];
  });
  return { ...policy, ...Object.fromEntries(changed) };
}
