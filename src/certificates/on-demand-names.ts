import type { ManagedName } from "../compiler/tls-needs.ts";
import type { IngressRule } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";
import { planTls, type TlsSettings } from "../model/tls-plan.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";

export type Verdict = "allowed" | "unknown" | "limited";

export interface OnDemandOptions {
  readonly settings: TlsSettings;
  /** Every rule, and a number that changes with the names that need certificates. */
  readonly rules: () => { readonly generation: number; readonly rules: () => Iterable<IngressRule> };
  readonly resolver: Pick<InstanceResolver, "resolve">;
  /** New names that may be ordered at once, and in an hour. Default 100: Let's Encrypt takes 300 orders in 3 hours. */
  readonly newNamesPerHour?: number;
  /** Milliseconds. Default: the process's monotonic clock. */
  readonly now?: () => number;
}

const HOUR_MS = 60 * 60 * 1000;
/** Names whose permission is remembered. */
const MOST_REMEMBERED = 100_000;

/**
 * Decides, from memory, whether a certificate may be ordered for a name at its first handshake: a TLS rule must claim
 * it, a pattern's instance must exist, and new names are limited in rate.
 */
export class OnDemandNames {
  readonly #options: OnDemandOptions;
  readonly #permitted = new Set<string>();
  #changes = 0;
  readonly #answers = { allowed: 0, unknown: 0, limited: 0 };
  #generation: number | undefined;
  /** Canonical host (`*` for captures) → the rules that claim it. */
  #claims: ReadonlyMap<string, readonly IngressRule[]> = new Map();
  /** The shapes in use: number of labels and the places of `*` in them, as the host table looks hosts up. */
  #shapes: ReadonlyMap<string, Shape> = new Map();
  #tokens: number;
  #filledAt: number;

  constructor(options: OnDemandOptions) {
    this.#options = options;
    this.#tokens = this.#capacity;
    this.#filledAt = this.#now();
  }

  /** Names that have certificates already. */
  remember(names: Iterable<string>): void {
    for (const name of names) this.#permit(name);
  }

  ask(domain: string): Verdict {
    const verdict = this.#judge(domain);
    this.#answers[verdict] += 1;
    return verdict;
  }

  /** How often each answer was given. */
  get answers(): { readonly [verdict in Verdict]: number } {
    return this.#answers;
  }

  #judge(domain: string): Verdict {
    const host = domain.toLowerCase().replace(/\.$/, "");
    if (!this.#isClaimed(host)) return "unknown";
    if (this.#permitted.has(host)) return "allowed";
    if (!this.#takeToken()) return "limited";
    this.#permit(host);
    return "allowed";
  }

  /** A number that changes whenever `names` may answer otherwise. */
  get changes(): number {
    return this.#changes;
  }

  /** Names that have certificates or were permitted to, and are claimed by the hosts of rules. */
  names(): readonly ManagedName[] {
    this.#follow();
    return [...this.#permitted]
      .filter((host) => this.rulesOf(host).length > 0)
      .map((subject) => ({ kind: "managed", subject, issuer: "acme", onDemand: true }));
  }

  /** The rules whose hosts claim a name, whether or not their instance exists. */
  rulesOf(host: string): readonly IngressRule[] {
    this.#follow();
    const labels = host.split(".");
    return [...this.#shapes.values()].flatMap((shape) => {
      if (shape.length !== labels.length) return [];
      const claimed = labels.map((label, at) => (shape.stars.has(at) ? "*" : label)).join(".");
      return this.#claims.get(claimed) ?? [];
    });
  }

  get #capacity(): number {
    return this.#options.newNamesPerHour ?? 100;
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))();
  }

  #permit(host: string): void {
    if (this.#permitted.size >= MOST_REMEMBERED) {
      const [oldest] = this.#permitted;
      if (oldest !== undefined) this.#permitted.delete(oldest);
    }
    this.#permitted.add(host);
    this.#changes += 1;
  }

  #takeToken(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(
      this.#capacity,
      this.#tokens + ((now - this.#filledAt) * this.#capacity) / HOUR_MS,
    );
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #isClaimed(host: string): boolean {
    return this.rulesOf(host).some((rule) => this.#hasTarget(rule, host));
  }

  /**
   * The instance that a host's captures name must exist: in a pool, members without captures would permit any name. A
   * rule whose targets have none is taken as it is.
   */
  #hasTarget({ match, target, targets = [] }: IngressRule, host: string): boolean {
    const labels = host.split(".");
    const captures = new Map(
      match.hostname.split(".").flatMap((label, index) => {
        return label.startsWith("{") ? [[label, labels[index] ?? ""] as const] : [];
      }),
    );
    const all = [target, ...targets].filter((one) => one !== undefined);
    const captured = all.flatMap(({ instance }) => (instance?.includes("{") === true ? [instance] : []));
    if (captured.length === 0) return all.length > 0;
    return captured.some((instance) => {
      const name = instance.replace(/\{[^}]*\}/g, (capture) => captures.get(capture) ?? "");
      return this.#options.resolver.resolve(name).kind === "addresses";
    });
  }

  #follow(): void {
    const { generation, rules } = this.#options.rules();
    if (generation === this.#generation) return;
    const claims = new Map<string, IngressRule[]>();
    for (const rule of rules()) {
      const plan = rule.tls ? planTls(rule, this.#options.settings) : undefined;
      if (plan?.kind !== "managed" || !plan.onDemand) continue;
      const shape = hostnameShape(rule.match.hostname);
      const claimed = claims.get(shape);
      if (claimed === undefined) claims.set(shape, [rule]);
      else claimed.push(rule);
    }
    this.#claims = claims;
    this.#shapes = shapesOf(claims.keys());
    this.#generation = generation;
  }
}

interface Shape {
  readonly length: number;
  readonly stars: ReadonlySet<number>;
}

/** Each way in which captures stand in hosts: few, however many hosts there are. */
function shapesOf(hosts: Iterable<string>): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const host of hosts) {
    const labels = host.split(".");
    const stars = labels.flatMap((label, at) => (label === "*" ? [at] : []));
    const key = `${labels.length} ${stars.join()}`;
    if (!shapes.has(key)) shapes.set(key, { length: labels.length, stars: new Set(stars) });
  }
  return shapes;
}
