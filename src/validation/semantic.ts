import type { Problem } from "../errors.ts";
import type { CreateIngressRequest, IngressRuleInput } from "../model/api.ts";
import { ruleField } from "../model/wording.ts";
import { healthCheckProblems } from "./health-check.ts";
import { hostnameProblems } from "./hostname.ts";
import { layer4Problems, listenProblems } from "./layer4.ts";
import { loadBalancingProblems } from "./load-balancing.ts";
import { matchProblems } from "./match.ts";
import { policyProblems } from "./policies.ts";
import { tagProblems } from "./tags.ts";
import { targetProblems } from "./targets.ts";
import { timeoutProblems } from "./timeouts.ts";
import { tlsOptionProblems } from "./tls-options.ts";
import { upstreamProblems } from "./upstream.ts";

const NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const MAX_NAME_LENGTH = 63;
const MAX_PORT = 65_535;

/**
 * Every problem of a document that needs no knowledge beside it, in the order in which hypeman looks and in its words;
 * `refusal` puts `invalid request: ` before the first. The document fits its schema. `ofRules` are those of its rules,
 * where they were looked for before.
 */
export function semanticProblems(
  request: CreateIngressRequest,
  ofRules: readonly Problem[] = request.rules.flatMap(ruleProblems),
): Problem[] {
  const problems: Problem[] = [];
  if (request.name === "") problems.push({ code: "required", field: "name", message: "name is required" });
  if (request.rules.length === 0) {
    problems.push({ code: "required", field: "rules", message: "at least one rule is required" });
  }
  if (request.tags !== undefined) problems.push(...tagProblems(request.tags));
  problems.push(...listenProblems(request));
  for (const problem of ofRules) problems.push(problem);
  if (request.name !== "" && !(NAME.test(request.name) && request.name.length <= MAX_NAME_LENGTH)) {
    const message =
      "name must be lowercase letters, digits, and dashes only; cannot start or end with a dash" +
      (request.name.length > MAX_NAME_LENGTH ? `; at most ${MAX_NAME_LENGTH} characters` : "");
    problems.push({ code: "invalid_value", field: "name", message });
  }
  return problems;
}

/** Every problem of one rule by itself, as `semanticProblems` has them. */
export function ruleProblems(rule: IngressRuleInput, index: number): Problem[] {
  const { match, policies, upstream } = rule;
  const problems: Problem[] = [];
  problems.push(...policyProblems(rule, index, { inRule: true }));
  const hostname = hostnameProblems(rule, index);
  problems.push(...hostname);
  const port = match.port ?? 0;
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
    const message = `match.port must be between 1 and ${MAX_PORT} in rule ${index}`;
    problems.push({ code: "out_of_range", field: ruleField(index, "match.port"), message });
  }
  problems.push(...matchProblems(match, index));
  // A pattern's target without a capture has been reported with the hostname.
  const reported = new Set(hostname.map(({ field }) => field));
  problems.push(...targetProblems(rule, index).filter(({ field }) => !reported.has(field)));
  if (upstream !== undefined) problems.push(...upstreamProblems(upstream, index));
  problems.push(...policyProblems(rule, index, { inRule: false }));
  if (policies?.timeouts !== undefined) problems.push(...timeoutProblems(policies.timeouts, index));
  problems.push(...tlsOptionProblems(rule, index));
  if (policies?.load_balancing !== undefined)
    problems.push(...loadBalancingProblems(policies.load_balancing, index));
  if (policies?.health_check !== undefined)
    problems.push(...healthCheckProblems(policies.health_check, index));
  problems.push(...layer4Problems(rule, index));
  if (rule.redirect_http === true && rule.tls !== true) {
    const message = `redirect_http requires tls to be enabled in rule ${index}`;
    problems.push({ code: "invalid_value", field: ruleField(index, "redirect_http"), message });
  }
  return problems;
}
