import type { Problem } from "../errors.ts";
import type { IngressRuleInput } from "../model/api.ts";
import { captureReferences, type Hostname, isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { quote, ruleField } from "./wording.ts";

/** What can be left of a target once its captures are replaced by labels: characters of instance names and ids. */
const TARGET_TEXT = /^[A-Za-z0-9._-]*$/;

/** The problems of a rule's hostname, and of its target's captures, which belong together. In hypeman's order and words. */
export function hostnameProblems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  const text = rule.match.hostname;
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
  return targetProblems(hostname, rule.target.instance, ruleIndex);
}

function targetProblems(hostname: Hostname, instance: string, ruleIndex: number): Problem[] {
  const field = ruleField(ruleIndex, "target.instance");
  const refuse = (message: string): Problem[] => [{ code: "invalid_target", field, message }];
  // Under a literal hostname any text is the name of an instance, and braces make it one that does not exist.
  if (hostname.kind === "literal") return [];
  const { names, rest } = captureReferences(instance);
  if (hostname.kind !== "pattern") {
    if (!/[{}]/.test(instance)) return [];
    return refuse(
      `target.instance in rule ${ruleIndex} has { or }, but a * captures nothing; name the label, as in {instance}.example.com`,
    );
  }
  if (names.length === 0) {
    return refuse(
      `pattern hostname in rule ${ruleIndex} requires target.instance to reference a capture (e.g., {instance})`,
    );
  }
  const unknown = names.find((name) => !hostname.captures.has(name));
  if (unknown !== undefined) {
    return refuse(`target.instance in rule ${ruleIndex} references unknown capture {${unknown}}`);
  }
  if (TARGET_TEXT.test(rest)) return [];
  return refuse(
    `target.instance ${quote(instance)} in rule ${ruleIndex} has more than captures, letters, digits, ".", "-" and "_"`,
  );
}
