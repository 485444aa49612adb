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
  #generation: number | undefined;
  /** Canonical host (`*` for captures) → hosts of the rules that claim it. */
  #claims: ReadonlyMap<string, readonly IngressRule[]> = new Map();
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
    const host = domain.toLowerCase().replace(/\.$/, "");
    if (!this.#isClaimed(host)) return "unknown";
    if (this.#permitted.has(host)) return "allowed";
    if (!this.#takeToken()) return "limited";
    this.#permit(host);
    return "allowed";
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
    this.#follow();
    for (const shape of shapesOf(host)) {
      const rules = this.#claims.get(shape);
      if (rules?.some((rule) => this.#hasTarget(rule, host)) === true) return true;
    }
    return false;
  }

  /** A target without captures is taken as it is; with captures its instance must exist. */
  #hasTarget({ match, target, targets = [] }: IngressRule, host: string): boolean {
    const labels = host.split(".");
    const captures = new Map(
      match.hostname.split(".").flatMap((label, index) => {
        return label.startsWith("{") ? [[label, labels[index] ?? ""] as const] : [];
      }),
    );
    return [target, ...targets].some((one) => {
      if (one === undefined) return false;
      if (one.instance === undefined) return true;
      const name = one.instance.replace(/\{[^}]*\}/g, (capture) => captures.get(capture) ?? "");
      return name === one.instance || this.#options.resolver.resolve(name).kind === "addresses";
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
    this.#generation = generation;
  }
}

/** The host itself and every way to put `*` for some of its first labels; bounded, since names are short. */
function* shapesOf(host: string): Generator<string> {
  yield host;
  const labels = host.split(".");
  // A pattern's captures stand before its fixed suffix in nearly all uses; two labels of them are looked for.
  for (let count = 1; count <= Math.min(2, labels.length - 1); count += 1)
    yield [...Array<string>(count).fill("*"), ...labels.slice(count)].join(".");
}
