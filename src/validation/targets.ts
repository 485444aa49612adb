import { isIP } from "node:net";
import type { Problem } from "../errors.ts";
import type { IngressRuleInput, IngressTarget } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { captureReferences, type Hostname } from "../model/hostname.ts";
import { targetFields, targetKind, targetsOf } from "../model/target.ts";
import { quote, ruleField } from "../model/wording.ts";

/** What can be left of a target once its captures are replaced by labels: characters of instance names and ids. */
const TARGET_TEXT = /^[A-Za-z0-9._-]*$/;
/** One DNS label (RFC 1123 section 2.1). */
const SERVICE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
const MAX_PORT = 65_535;
const LONGEST_WAIT_MS = 600_000;

/** The problems of the captures that a rule's targets refer to. In hypeman's order and words for `target`. */
export function captureProblems(rule: IngressRuleInput, hostname: Hostname, ruleIndex: number): Problem[] {
  // Under a literal hostname any text is the name of an instance, and braces make it one that does not exist.
  if (hostname.kind === "literal") return [];
  return targetFields(rule).flatMap(({ target, field }) => {
    if (target.instance === undefined || targetKind(target) !== "instance") return [];
    const message = captureProblem(target.instance, `${field}.instance`, hostname, ruleIndex);
    if (message === undefined) return [];
    return [{ code: "invalid_target", field: ruleField(ruleIndex, `${field}.instance`), message } as const];
  });
}

function captureProblem(
  instance: string,
  field: string,
  hostname: Hostname,
  ruleIndex: number,
): string | undefined {
  const { names, rest } = captureReferences(instance);
  if (hostname.kind !== "pattern") {
    if (!/[{}]/.test(instance)) return undefined;
    return `${field} in rule ${ruleIndex} has { or }, but a * captures nothing; name the label, as in {instance}.example.com`;
  }
  // A pool may have a fixed instance beside those that the hostname names.
  if (names.length === 0 && field.startsWith("targets") && !/[{}]/.test(instance)) return undefined;
  if (names.length === 0) {
    return `pattern hostname in rule ${ruleIndex} requires ${field} to reference a capture (e.g., {instance})`;
  }
  const unknown = names.find((name) => !hostname.captures.has(name));
  if (unknown !== undefined) return `${field} in rule ${ruleIndex} references unknown capture {${unknown}}`;
  if (TARGET_TEXT.test(rest)) return undefined;
  return `${field} ${quote(instance)} in rule ${ruleIndex} has more than captures, letters, digits, ".", "-" and "_"`;
}

/** The problems of a rule's targets but for their captures. In hypeman's order and words for `target`. */
export function targetProblems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  if (rule.target !== undefined && rule.targets !== undefined) {
    const message = `rule ${ruleIndex} has target and targets; give one of them`;
    problems.push({ code: "invalid_value", field: ruleField(ruleIndex, "targets"), message });
  }
  for (const { target, field } of targetFields(rule)) problems.push(...oneProblems(target, field, ruleIndex));
  const targets = targetsOf(rule);
  if (targets.length > 0 && targets.every(({ weight }) => weight === 0)) {
    const message = `every target in rule ${ruleIndex} has weight 0; give one of them a weight above 0, or use policies.maintenance`;
    problems.push({ code: "invalid_value", field: ruleField(ruleIndex, "targets"), message });
  }
  return problems;
}

function oneProblems(target: IngressTarget, field: string, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const refuse = (code: Problem["code"], part: string, message: string): void => {
    problems.push({ code, field: ruleField(ruleIndex, `${field}${part}`), message });
  };
  const kinds = (["instance", "service", "address"] as const).filter((kind) => target[kind] !== undefined);
  if (kinds.length > 1)
    refuse("invalid_value", "", `${field} in rule ${ruleIndex} has ${kinds.join(" and ")}; give one of them`);
  if (target.instance === "" && kinds.length === 1)
    refuse("required", ".instance", `instance is required in rule ${ruleIndex}`);
  if (target.service !== undefined && !SERVICE.test(target.service))
    refuse(
      "invalid_target",
      ".service",
      `${field}.service in rule ${ruleIndex} must be letters, digits and inner hyphens`,
    );
  if (target.address !== undefined)
    for (const problem of addressProblems(target))
      refuse(
        "invalid_target",
        problem.part,
        `${field}${problem.part} in rule ${ruleIndex} ${problem.message}`,
      );
  if (!Number.isInteger(target.port) || target.port < 1 || target.port > MAX_PORT)
    refuse("out_of_range", ".port", `${field}.port must be between 1 and ${MAX_PORT} in rule ${ruleIndex}`);
  if (target.resolvers !== undefined && (target.address === undefined || isIP(target.address) !== 0))
    refuse(
      "invalid_target",
      ".resolvers",
      `${field}.resolvers in rule ${ruleIndex} needs a DNS name in address`,
    );
  if (target.wake === true && targetKind(target) !== "instance")
    refuse(
      "invalid_target",
      ".wake",
      `${field}.wake in rule ${ruleIndex} needs an instance; a service or an address cannot be started`,
    );
  for (const key of ["pause_timeout", "wake_timeout"] as const) {
    const text = target[key];
    const ms = text === undefined ? 1 : durationMs(text);
    if (ms === undefined || ms > LONGEST_WAIT_MS)
      refuse(
        "invalid_value",
        `.${key}`,
        `${field}.${key} in rule ${ruleIndex} must be a time such as 500ms, 10s or 1m, at most 10m`,
      );
  }
  return problems;
}

interface AddressProblem {
  readonly part: string;
  readonly message: string;
}

/** The problems of `address` and `resolvers`, which the guard looks at later. */
function addressProblems({ address = "", resolvers = [] }: IngressTarget): AddressProblem[] {
  const problems: AddressProblem[] = [];
  if (!isHost(address)) {
    const message = "must be an IP address, or a DNS name such as backend.example.com";
    problems.push({ part: ".address", message });
  }
  for (const [index, resolver] of resolvers.entries()) {
    if (parseResolver(resolver) !== undefined) continue;
    problems.push({
      part: `.resolvers[${index}]`,
      message: "must be an IP address, or one with a port such as 10.0.0.2:53 or [fd00::2]:53",
    });
  }
  return problems;
}

function isHost(text: string): boolean {
  if (isIP(text) !== 0) return !text.includes("%");
  const labels = text.replace(/\.$/, "").split(".");
  // All digits would be an address to some readers and a name to others.
  return labels.every((label) => DNS_LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? "");
}

/** IP and port of a resolver; the port is 53 when it is left out. Undefined when the text is neither. */
export function parseResolver(text: string): { readonly ip: string; readonly port: number } | undefined {
  if (isIP(text) !== 0 && !text.includes("%")) return { ip: text, port: 53 };
  const [, ip6, ip4, digits = ""] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const ip = ip6 ?? ip4 ?? "";
  const port = Number(digits);
  if (isIP(ip) !== (ip6 === undefined ? 4 : 6) || port < 1 || port > MAX_PORT) return undefined;
  return { ip, port };
}
