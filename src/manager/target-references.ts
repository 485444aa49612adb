import { isIP } from "node:net";
import { GatewrightError, type Problem } from "../errors.ts";
import type { IngressRule, IngressTarget } from "../model/api.ts";
import { targetFields, targetKind } from "../model/target.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { nearest } from "../util/nearest.ts";
import { type TargetGuard, targetRefusal } from "../validation/target-guard.ts";
import { parseResolver } from "../validation/targets.ts";

/** What targets are checked against. */
export interface ReferenceSettings {
  readonly guard: TargetGuard;
  /** The source of instances can start them. */
  readonly canWake?: boolean;
}

interface Referred {
  readonly rule: IngressRule;
  readonly problems: readonly Problem[];
}

/**
 * Finds what a rule's targets name, and gives instances their canonical names; a target with captures is found at
 * request time. Throws `source_unavailable`.
 */
export async function referTargets(
  rule: IngressRule,
  ruleIndex: number,
  resolver: Pick<InstanceResolver, "reference">,
  settings: ReferenceSettings,
): Promise<Referred> {
  const found = await Promise.all(
    targetFields(rule).map(async ({ target, field: part }) => {
      const field = `rules[${ruleIndex}].${part}`;
      const unwakeable = target.wake === true && settings.canWake !== true;
      const referred =
        targetKind(target) === "instance"
          ? await referInstance(rule, target, field, resolver, settings.guard)
          : { target, problems: addressProblems(target, field, settings.guard) };
      return unwakeable
        ? { target: referred.target, problems: [...referred.problems, cannotWake(field)] }
        : referred;
    }),
  );
  const problems = found.flatMap((one) => one.problems);
  const targets = found.map(({ target }) => target);
  const [single] = targets;
  if (rule.targets !== undefined) return { rule: { ...rule, targets }, problems };
  return { rule: single === undefined ? rule : { ...rule, target: single }, problems };
}

async function referInstance(
  rule: IngressRule,
  target: IngressTarget,
  field: string,
  resolver: Pick<InstanceResolver, "reference">,
  guard: TargetGuard,
): Promise<{ target: IngressTarget; problems: readonly Problem[] }> {
  const { instance = "", port } = target;
  if (rule.match.hostname.includes("{") && instance.includes("{")) return { target, problems: [] };
  const reference = await resolver.reference(instance);
  if (reference.kind === "unavailable") {
    throw new GatewrightError("source_unavailable", `instances cannot be looked up: ${reference.reason}`);
  }
  if (reference.kind !== "found") return { target, problems: [instanceNotFound(instance, field)] };
  const { name, network } = reference.instance;
  const named = { ...target, instance: name };
  if (!network.enabled) return { target: named, problems: [noNetwork(name, field)] };
  const refused = network.ip ? targetRefusal(network.ip, port, guard) : undefined;
  const what = `port ${port} of instance "${name}"`;
  return { target: named, problems: refused === undefined ? [] : [notAllowed(what, refused, field)] };
}

/** Addresses that are written down; those of names are checked when they are dialled. */
function addressProblems(target: IngressTarget, field: string, guard: TargetGuard): readonly Problem[] {
  const { address = "", resolvers = [], port } = target;
  const problems: Problem[] = [];
  const refused = isIP(address) === 0 ? undefined : targetRefusal(address, port, guard);
  if (refused !== undefined)
    problems.push(notAllowed(`${address} port ${port}`, refused, `${field}.address`));
  for (const [index, text] of resolvers.entries()) {
    const resolver = parseResolver(text);
    const reason = resolver === undefined ? undefined : targetRefusal(resolver.ip, resolver.port, guard);
    if (reason !== undefined)
      problems.push(notAllowed(`resolver ${text}`, reason, `${field}.resolvers[${index}]`));
  }
  return problems;
}

function instanceNotFound(instance: string, field: string): Problem {
  return {
    code: "instance_not_found",
    message: `target instance not found: instance "${instance}" not found`,
    field: `${field}.instance`,
  };
}

/** Of more instances than these none is looked for: comparing takes a microsecond each. */
const MOST_COMPARED = 10_000;
/** Letters that a misspelt name may differ in. */
const NEAR = 3;

/** The problems, the first unknown instance's with the nearest name and the way to add one. */
export function withRemedy(
  problems: readonly Problem[],
  rules: readonly (IngressRule | undefined)[],
  resolver: Pick<InstanceResolver, "list">,
): readonly Problem[] {
  const at = problems.findIndex(({ code }) => code === "instance_not_found");
  const problem = problems[at];
  if (problem === undefined) return problems;
  const instance = instanceAt(rules, problem.field ?? "");
  const names = resolver.list().map(({ name }) => name);
  const meant = names.length > MOST_COMPARED ? undefined : nearest(instance, names, NEAR);
  const hint = isAddress(instance)
    ? "; for an address, give target.address instead of target.instance"
    : meant === undefined
      ? ""
      : `; the nearest name is ${JSON.stringify(meant)}`;
  const remedy = `GET /instances lists what there is, PUT /instances/${encodeURIComponent(instance)} adds one`;
  return problems.with(at, { ...problem, message: `${problem.message}${hint}; ${remedy}` });
}

/** Whether it is what other proxies take as a target: an IP address, or a URL. */
function isAddress(instance: string): boolean {
  return isIP(instance) !== 0 || instance.includes("://");
}

function instanceAt(rules: readonly (IngressRule | undefined)[], field: string): string {
  const index = Number(/^rules\[(\d+)\]/.exec(field)?.[1]);
  const rule = rules[index];
  const found =
    rule === undefined
      ? undefined
      : targetFields(rule).find((one) => field === `rules[${index}].${one.field}.instance`);
  return found?.target.instance ?? "";
}

function noNetwork(instance: string, field: string): Problem {
  return {
    code: "instance_no_network",
    message: `target instance has no network: enable the network of instance "${instance}"`,
    field: `${field}.instance`,
  };
}

function notAllowed(what: string, reason: string, field: string): Problem {
  return { code: "target_not_allowed", message: `target not allowed: ${what} ${reason}`, field };
}

function cannotWake(field: string): Problem {
  return {
    code: "invalid_target",
    message: "wake needs a source that can start instances: set INSTANCE_SOURCE=hypeman, or leave wake out",
    field: `${field}.wake`,
  };
}
