import type { Problem } from "../errors.ts";
import type { IngressRuleInput } from "../model/api.ts";
import { isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { isNamed } from "../model/protocol.ts";
import { ruleField } from "../model/wording.ts";
import { captureProblems } from "./targets.ts";

/** The problems of a rule's hostname, and of its target's captures, which belong together. In hypeman's order and words. */
export function hostnameProblems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  if (!isNamed(rule)) return [];
  const text = rule.match.hostname ?? "";
  const field = ruleField(ruleIndex, "match.hostname");
  if (text === "") {
    return [{ code: "required", field, message: `hostname is required in rule ${ruleIndex}` }];
  }
  const hostname = parseHostname(text);
  if (isHostnameProblem(hostname)) {
    const subject = hostname.inPattern ? "hostname pattern" : "hostname";
    const message = `invalid ${subject} in rule ${ruleIndex}: ${hostname.problem}`;
    return [{ code: "invalid_hostname", field, message }];
  }
  return captureProblems(rule, hostname, ruleIndex);
}
