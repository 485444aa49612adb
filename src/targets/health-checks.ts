import { isIPv6 } from "node:net";
import type { RuleHealth } from "../caddy/caddy-api.ts";
import type { Logger } from "../log.ts";
import type { Ingress, IngressTarget } from "../model/api.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import type { InstanceResolver, ResolverChange } from "../resolver/instance-resolver.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { type CheckPlan, type CheckSettings, checkPlans, rowId } from "./check-plan.ts";
import { Checker, type CheckerOptions, type HealthState } from "./checker.ts";
import type { ProbeTarget } from "./probe.ts";
import { reportHealth } from "./report-health.ts";
import { Slots } from "./slots.ts";
import { addressesOf, watchedName } from "./target-addresses.ts";

export interface HealthChecksOptions {
  readonly resolver: Pick<InstanceResolver, "resolve" | "watch">;
  /** Why an address may not be asked; undefined when it may. */
  readonly refuses: (ip: string, port: number) => string | undefined;
  readonly probe: CheckerOptions["check"];
  readonly logger: Logger;
  /** Hears of targets that fail and pass. Default: nobody does. */
  readonly events?: EventSink;
  /** Checks under way at one time; more wait. Default 256. */
  readonly atOnce?: number;
  /** Finds addresses of names outside of the instances. Default: by the system's DNS servers. */
  readonly lookup?: Pick<AddressLookup, "find">;
}

/** A check that some rules share. */
interface SharedCheck {
  readonly checker: Checker;
  readonly rules: Set<string>;
}

/** A rule that is checked, and by which checks. */
interface CheckedRule {
  readonly plan: CheckPlan;
  /** `ip:port` that requests go to → key of the check. */
  readonly checks: Map<string, string>;
  /** Where each target was found last. A look-up that fails changes nothing of that. */
  readonly found: Map<IngressTarget, readonly Dial[]>;
}

/** How requests name an address, and where a check of it goes. */
type Dial = readonly [dial: string, target: ProbeTarget];

const nothing = Promise.resolve();

/** How often names outside of the instances are looked up again. */
const LOOKUP_INTERVAL_MS = 10_000;

/**
 * Checks the addresses of all rules that ask for it, and follows ingresses and instances. Equal checks of one address
 * are made once. Rules are named by the ids of their rows.
 */
export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #rules = new Map<string, CheckedRule>();
  readonly #rulesOfIngress = new Map<string, readonly string[]>();
  readonly #rulesOfName = new Map<string, Set<string>>();
  readonly #checks = new Map<string, SharedCheck>();
  readonly #listeners = new Set<(rules: readonly string[]) => void>();
  /** Rule → its health as told last; absent when all is well. */
  readonly #told = new Map<string, string>();
  readonly #slots: Slots;
  #unwatch: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
    this.#slots = new Slots(options.atOnce ?? 256);
  }

  /** Begins with these ingresses; resolves when each address was checked once. */
  async start(ingresses: Iterable<Ingress>): Promise<void> {
    this.#unwatch = this.#options.resolver.watch((change) => void this.#follow(change));
    this.#timer = setInterval(() => void this.#lookUpAgain(), LOOKUP_INTERVAL_MS);
    this.#timer.unref();
    // Most ingresses ask for no checks: a promise for each of them would be felt at a hundred thousand.
    const checked = Array.from(ingresses).filter((ingress) => checkPlans(ingress).length > 0);
    await Promise.all(checked.map((ingress) => this.put(ingress)));
    await Promise.all([...this.#checks.values()].map(({ checker }) => checker.firstCheck));
  }

  stop(): void {
    this.#unwatch();
    clearInterval(this.#timer);
    for (const id of [...this.#rulesOfIngress.keys()]) this.remove(id);
    this.#listeners.clear();
  }

  /** An ingress was stored. Resolves when it is known where its addresses are. */
  put(ingress: Ingress): Promise<void> {
    const plans = checkPlans(ingress);
    // Most ingresses ask for no checks, and a set stores thousands at one moment.
    if (plans.length === 0 && !this.#rulesOfIngress.has(ingress.id)) return nothing;
    return this.#put(ingress, plans);
  }

  async #put(ingress: Ingress, plans: readonly CheckPlan[]): Promise<void> {
    const kept = new Set(plans.map(({ rule }) => rule));
    for (const rule of this.#rulesOfIngress.get(ingress.id) ?? []) this.#drop(rule, kept.has(rule));
    if (plans.length === 0) this.#rulesOfIngress.delete(ingress.id);
    else this.#rulesOfIngress.set(ingress.id, [...kept]);
    for (const plan of plans) {
      const { checks = new Map(), found = new Map() } = this.#rules.get(plan.rule) ?? {};
      this.#rules.set(plan.rule, { plan, checks, found: sameTargets(plan.targets, found) });
      for (const name of plan.targets.flatMap((target) => watchedName(target) ?? []))
        this.#rulesOfName.set(name, (this.#rulesOfName.get(name) ?? new Set()).add(plan.rule));
    }
    await Promise.all(plans.map(({ rule }) => this.#align(rule)));
  }

  /** An ingress was deleted. */
  remove(ingressId: string): void {
    for (const rule of this.#rulesOfIngress.get(ingressId) ?? []) this.#drop(rule, false);
    this.#rulesOfIngress.delete(ingressId);
  }

  /** Calls the listener with the rules whose health changed. */
  watch(listener: (rules: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The rules that are checked now. */
  rules(): readonly string[] {
    return [...this.#rules.keys()];
  }

  /** The addresses of a rule, as `ip:port`, that take no requests. */
  unhealthyOf(rule: string): readonly string[] {
    const checks = this.#rules.get(rule)?.checks ?? new Map<string, string>();
    return [...checks]
      .filter(([, key]) => this.#checks.get(key)?.checker.state.health === "unhealthy")
      .map(([dial]) => dial)
      .sort();
  }

  /** What is known of a rule's addresses. */
  healthOf(rule: string): RuleHealth {
    const unhealthy = this.unhealthyOf(rule);
    const { plan, checks = new Map<string, string>(), found } = this.#rules.get(rule) ?? {};
    const states = [...checks].map(
      ([dial, key]) => [dial, this.#checks.get(key)?.checker.state.health] as const,
    );
    const whole = plan?.targets.every((target) => found?.has(target)) ?? true;
    if (plan === undefined || (whole && states.every(([, health]) => health !== "unknown")))
      return { unhealthy };
    const healthy = states.flatMap(([dial, health]) => (health === "healthy" ? [dial] : []));
    return { unhealthy, healthy: healthy.sort(), wait_ms: plan.settings.timeoutMs };
  }

  /** What is known of an address of a rule; undefined when it is not checked. */
  stateOf(ingress: Pick<Ingress, "id">, ruleIndex: number, dial: string): HealthState | undefined {
    const key = this.#rules.get(rowId(ingress, ruleIndex))?.checks.get(dial);
    return key === undefined ? undefined : this.#checks.get(key)?.checker.state;
  }

  async #follow(change: ResolverChange): Promise<void> {
    const rules =
      "all" in change
        ? [...this.#rules.keys()]
        : new Set(change.names.flatMap((name) => [...(this.#rulesOfName.get(name.toLowerCase()) ?? [])]));
    await Promise.all(Array.from(rules, (rule) => this.#align(rule)));
  }

  async #lookUpAgain(): Promise<void> {
    const named = [...this.#rules].filter(([, { plan }]) =>
      plan.targets.some(({ address }) => address !== undefined),
    );
    await Promise.all(named.map(([rule]) => this.#align(rule)));
  }

  /** Brings the checks of a rule in line with its addresses. */
  async #align(rule: string): Promise<void> {
    const { plan } = this.#rules.get(rule) ?? {};
    if (plan === undefined) return;
    const dials = await Promise.all(plan.targets.map((target) => this.#dials(target)));
    const checked = this.#rules.get(rule);
    // Changed or deleted meanwhile: that change aligns the checks itself.
    if (checked?.plan !== plan) return;
    for (const [at, target] of plan.targets.entries()) {
      const known = dials[at];
      if (known !== undefined) checked.found.set(target, known);
    }
    const wanted = new Map([...checked.found.values()].flat());
    for (const [dial, key] of [...checked.checks]) {
      const target = wanted.get(dial);
      if (target !== undefined && keyOf(target, plan.settings) === key) continue;
      this.#release(key, rule);
      checked.checks.delete(dial);
    }
    for (const [dial, target] of wanted) this.#acquire(checked, dial, target);
    this.#tell([rule]);
  }

  /** Where a target is; undefined when that cannot be said now. */
  async #dials(target: IngressTarget): Promise<readonly Dial[] | undefined> {
    const { resolver, lookup } = this.#options;
    const { addresses, failed } = await addressesOf(target, resolver, lookup);
    if (failed === true) return undefined;
    return addresses.map((ip) => [dialOf(ip, target.port), { ip, port: target.port }]);
  }

  #acquire({ plan, checks }: CheckedRule, dial: string, address: ProbeTarget): void {
    const { settings, rule } = plan;
    const key = keyOf(address, settings);
    const target = { ip: address.ip, port: settings.port ?? address.port };
    const shared = this.#checks.get(key) ?? { checker: this.#check(key, target, settings), rules: new Set() };
    shared.rules.add(rule);
    this.#checks.set(key, shared);
    checks.set(dial, key);
  }

  #check(key: string, target: ProbeTarget, settings: CheckSettings): Checker {
    const { events = noEvents, logger, probe, refuses } = this.#options;
    return new Checker({
      target,
      settings,
      check: async (at, how, ending) => {
        const refused = refuses(at.ip, at.port);
        if (refused !== undefined) return `not asked: it ${refused}`;
        return this.#slots.run(() => probe(at, how, ending));
      },
      changed: (state, before) => {
        const rules = [...(this.#checks.get(key)?.rules ?? [])];
        reportHealth({ address: dialOf(target.ip, target.port), rules, state, before }, logger, events);
        this.#tell(rules);
      },
    });
  }

  /** Forgets a rule, but for its checks when it is to be put again. */
  #drop(rule: string, keepChecks: boolean): void {
    const checked = this.#rules.get(rule);
    if (checked === undefined) return;
    for (const name of checked.plan.targets.flatMap((target) => watchedName(target) ?? [])) {
      const rules = this.#rulesOfName.get(name);
      rules?.delete(rule);
      if (rules?.size === 0) this.#rulesOfName.delete(name);
    }
    if (keepChecks) return;
    for (const key of checked.checks.values()) this.#release(key, rule);
    this.#rules.delete(rule);
    this.#tell([rule]);
  }

  #release(key: string, rule: string): void {
    const shared = this.#checks.get(key);
    shared?.rules.delete(rule);
    if (shared === undefined || shared.rules.size > 0) return;
    shared.checker.stop();
    this.#checks.delete(key);
  }

  /** Tells the listeners which of the rules have other unhealthy addresses than they were told last. */
  #tell(rules: readonly string[]): void {
    const changed = rules.filter((rule) => {
      const health = this.healthOf(rule);
      const text = isWell(health) ? undefined : JSON.stringify(health);
      if (text === this.#told.get(rule)) return false;
      if (text === undefined) this.#told.delete(rule);
      else this.#told.set(rule, text);
      return true;
    });
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }
}

/** What was found of targets that are still there. */
function sameTargets(
  targets: readonly IngressTarget[],
  found: ReadonlyMap<IngressTarget, readonly Dial[]>,
): Map<IngressTarget, readonly Dial[]> {
  const before = new Map(Array.from(found, ([target, dials]) => [JSON.stringify(target), dials]));
  return new Map(
    targets.flatMap((target) => {
      const dials = before.get(JSON.stringify(target));
      return dials === undefined ? [] : [[target, dials] as const];
    }),
  );
}

/** `ip:port`, as Caddy dials it. */
export function dialOf(ip: string, port: number): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function keyOf(target: ProbeTarget, settings: CheckSettings): string {
  return JSON.stringify([target.ip, settings.port ?? target.port, settings]);
}

/** Whether there is nothing to tell of a rule to a Caddy that knows nothing of it. */
export function isWell({ unhealthy, healthy }: RuleHealth): boolean {
  return unhealthy.length === 0 && healthy === undefined;
}
