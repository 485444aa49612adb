import type { Condition, Ingress, IngressStatus, RuleStatus } from "../model/api.ts";
import type { Finding, StatusContributor } from "./condition.ts";

/** Tells what became of a rule's targets. */
export type RuleReporter = (ingress: Ingress) => readonly RuleStatus[] | Promise<readonly RuleStatus[]>;

export interface StatusBoardOptions {
  /** In the order in which their conditions are listed. */
  readonly contributors: readonly StatusContributor[];
  readonly rules: RuleReporter;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

interface Seen {
  readonly status: Condition["status"];
  readonly since: string;
}

/** Ingresses whose transitions are remembered; the one looked at longest ago goes first. */
const MOST_REMEMBERED = 10_000;

/**
 * Puts the conditions of an ingress together and remembers since when each has its status. A condition first looked at
 * counts from then on, or from the ingress's last change, if it is true.
 */
export class StatusBoard {
  readonly #options: StatusBoardOptions;
  readonly #seen = new Map<string, Map<string, Seen>>();

  constructor(options: StatusBoardOptions) {
    this.#options = options;
  }

  async statusOf(ingress: Ingress): Promise<IngressStatus> {
    const rules = await this.#options.rules(ingress);
    const findings = this.#options.contributors.flatMap((contribute) => contribute(ingress, rules) ?? []);
    return {
      id: ingress.id,
      name: ingress.name,
      conditions: this.#remember(ingress, findings),
      rules,
    };
  }

  #remember(ingress: Ingress, findings: readonly Finding[]): readonly Condition[] {
    const before = this.#seen.get(ingress.id);
    const now = (this.#options.now ?? (() => new Date()))().toISOString();
    const seen = new Map<string, Seen>();
    const conditions = findings.map(({ type, status, reason, message }) => {
      const known = before?.get(type);
      const first = status === "True" ? ingress.updated_at : now;
      const since = known === undefined ? first : known.status === status ? known.since : now;
      seen.set(type, { status, since });
      return { type, status, reason, message, last_transition_time: since };
    });
    this.#seen.delete(ingress.id);
    this.#seen.set(ingress.id, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MOST_REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
    return conditions;
  }
}
