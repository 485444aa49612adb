import type { Ingress } from "../model/api.ts";
import { planTls, type TlsSettings } from "../model/tls-plan.ts";

/** More are counted, not listed. */
const MOST_LISTED = 20;

/** The rules that the settings do not let be served with TLS, kept up to date ingress by ingress. */
export class UnservedRules {
  readonly #settings: TlsSettings;
  /** By ingress id: a sentence for each rule. */
  readonly #rules = new Map<string, readonly string[]>();
  #size = 0;

  constructor(settings: TlsSettings) {
    this.#settings = settings;
  }

  /** How many rules. */
  get size(): number {
    return this.#size;
  }

  put(ingress: Ingress): void {
    this.remove(ingress.id);
    const rules = ingress.rules.flatMap((rule) => {
      const plan = rule.tls ? planTls(rule, this.#settings) : undefined;
      if (plan?.kind !== "refused") return [];
      return [`ingress ${ingress.name}: ${rule.match.hostname} is not served with TLS: ${plan.reason}`];
    });
    if (rules.length === 0) return;
    this.#rules.set(ingress.id, rules);
    this.#size += rules.length;
  }

  remove(id: string): void {
    this.#size -= this.#rules.get(id)?.length ?? 0;
    this.#rules.delete(id);
  }

  /** One sentence each, and how many more there are. */
  reasons(): readonly string[] {
    const listed: string[] = [];
    for (const rules of this.#rules.values()) {
      listed.push(...rules);
      if (listed.length >= MOST_LISTED) break;
    }
    const rest = this.#size - MOST_LISTED;
    if (rest <= 0) return listed;
    return [...listed.slice(0, MOST_LISTED), `${rest} more rules are not served with TLS`];
  }
}
