import type { CaddyCertificate, CertificateSource } from "../caddy/caddy-api.ts";
import type { ManagedName } from "../compiler/tls-needs.ts";
import type { Logger } from "../log.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import { CertificateEvents, expiring } from "./certificate-events.ts";
import { explainFailure } from "./explain.ts";
import type { ManagedState } from "./managed-state.ts";

export interface CertificateMonitorOptions {
  readonly api: CertificateSource;
  /** The names that Caddy manages now, and a number that changes with them. */
  readonly names: () => {
    readonly generation: number | string;
    readonly names: () => readonly ManagedName[];
  };
  /** What is on disk for a name that Caddy has not loaded. Default: nothing. */
  readonly stored?: (name: string) => Promise<CaddyCertificate["served"]>;
  /** Certificates that are not renewed here; their end is warned of all the same. Default: none. */
  readonly imported?: () => readonly { readonly name: string; readonly notAfter: Date }[];
  readonly logger: Logger;
  /** Hears of orders, certificates and their ends. Default: nobody does. */
  readonly events?: EventSink;
  /** A certificate that ends sooner is warned of. */
  readonly expiryWarningMs: number;
  /** Between two looks at names that are not ready. Default 1,000. */
  readonly pollMs?: number;
  /** Between two looks at all names. Default 30,000. */
  readonly fullPollMs?: number;
}

/** Names in one question, so that no answer takes long. */
const MOST_ASKED = 5_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Follows the certificates that Caddy manages: asks often for those that are wanting, seldom for the others, and logs
 * what changes. Answers from memory.
 */
export class CertificateMonitor {
  readonly #options: CertificateMonitorOptions;
  readonly #states = new Map<string, ManagedState>();
  readonly #warned = new Map<string, number>();
  readonly #events = new CertificateEvents();
  /** Names that were there at the start, and that nobody has looked at since. */
  readonly #unseen = new Set<string>();
  #generation: number | string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastFull = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CertificateMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#follow();
    for (const subject of this.#states.keys()) this.#unseen.add(subject);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks Caddy for every name. While Caddy does not answer, the last state stays. */
  async refresh(): Promise<void> {
    await this.#asking;
    await this.#ask(true);
  }

  /** Asks Caddy for one name; the others stay as they were known. */
  async refreshName(subject: string): Promise<void> {
    this.#follow();
    if (this.#states.has(subject)) await this.#askFor([subject]);
  }

  /** By ascending name. */
  list(): readonly ManagedState[] {
    this.#follow();
    return [...this.#states.values()].sort((one, other) => (one.need.subject < other.need.subject ? -1 : 1));
  }

  /** The same in no order. */
  states(): Iterable<ManagedState> {
    this.#follow();
    return this.#states.values();
  }

  /** What is known of a name; undefined when no rule needs it. */
  of(subject: string): ManagedState | undefined {
    this.#follow();
    return this.#states.get(subject);
  }

  /** Whether a certificate ends within TLS_EXPIRY_WARNING. */
  endsSoon(notAfter: Date): boolean {
    return notAfter.getTime() - Date.now() < this.#options.expiryWarningMs;
  }

  /** The same of one that Caddy renews: a short-lived one is near its end all its life, which is no news until then. */
  isOverdue(validity: Validity): boolean {
    return this.endsSoon(validity.notAfter) && Date.now() > renewalOf(validity).getTime();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(async () => {
      const fullPollMs = this.#options.fullPollMs ?? 30_000;
      await this.#ask(performance.now() - this.#lastFull >= fullPollMs);
      this.#schedule();
    }, this.#options.pollMs ?? 1_000);
    this.#timer.unref();
  }

  /** Takes in names that came, drops names that went. */
  #follow(): void {
    const { generation, names } = this.#options.names();
    if (generation === this.#generation) return;
    this.#generation = generation;
    const wanted = new Map(names().map((need) => [need.subject, need]));
    for (const subject of this.#states.keys()) if (!wanted.has(subject)) this.#drop(subject);
    for (const [subject, need] of wanted) {
      const known = this.#states.get(subject);
      this.#states.set(subject, { ...(known ?? { state: "pending" }), need });
    }
  }

  #drop(subject: string): void {
    this.#states.delete(subject);
    this.#unseen.delete(subject);
    this.#warned.delete(subject);
  }

  #ask(everything: boolean): Promise<void> {
    this.#asking ??= this.#askCaddy(everything).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askCaddy(everything: boolean): Promise<void> {
    this.#follow();
    const wanting = [...this.#states.values()].filter(
      ({ state, error }) => (state !== "ready" && state !== "idle") || error !== undefined,
    );
    const names = (everything ? [...this.#states.values()] : wanting).map(({ need }) => need.subject);
    if (everything) {
      this.#lastFull = performance.now();
      for (const { name, notAfter } of this.#options.imported?.() ?? [])
        if (this.endsSoon(notAfter)) this.#warnOfEnd(name, notAfter);
    }
    await this.#askFor(names);
  }

  async #askFor(names: readonly string[]): Promise<void> {
    try {
      for (let first = 0; first < names.length; first += MOST_ASKED) {
        const asked = names.slice(first, first + MOST_ASKED);
        for (const answer of await this.#options.api.certificates(asked))
          this.#note(await this.#withStored(answer));
      }
    } catch {
      // Caddy is down or just starting, which its supervisor reports.
    }
  }

  async #withStored(answer: CaddyCertificate): Promise<CaddyCertificate> {
    const onDemand = this.#states.get(answer.name)?.need.onDemand === true;
    if (answer.served !== undefined || !onDemand) return answer;
    const stored = await this.#options.stored?.(answer.name);
    return stored === undefined ? answer : { ...answer, served: stored };
  }

  #note(answer: CaddyCertificate): void {
    const before = this.#states.get(answer.name);
    if (before === undefined) return;
    const after = stateOf(before.need, answer);
    this.#states.set(answer.name, after);
    this.#report(before, after);
    const { events = noEvents } = this.#options;
    const isFirst = this.#unseen.delete(answer.name);
    for (const event of this.#events.of(before, after, isFirst)) events.emit(event);
  }

  #report(before: ManagedState, after: ManagedState): void {
    const { logger } = this.#options;
    const { subject } = after.need;
    const { served, error } = after;
    if (served !== undefined && served.serial !== before.served?.serial)
      logger.info("a certificate is served", {
        name: subject,
        issuer: served.issuer,
        notAfter: served.notAfter,
      });
    if (error !== undefined && error.message !== before.error?.message)
      logger.warn("a certificate could not be issued; it is tried again", {
        name: subject,
        reason: error.message,
        failures: error.failures,
      });
    if (served !== undefined && this.isOverdue(served) && !isIdle(after))
      this.#warnOfEnd(subject, served.notAfter);
  }

  /** Once a day, while it lasts. */
  #warnOfEnd(name: string, notAfter: Date): void {
    const now = Date.now();
    if (now - (this.#warned.get(name) ?? 0) < DAY_MS) return;
    this.#warned.set(name, now);
    this.#options.logger.warn("a certificate ends soon", { name, notAfter });
    this.#options.events?.emit(expiring(name, notAfter));
  }
}

/** Whether a certificate is renewed at its next handshake, so that its end is no alarm. */
export function isIdle({ need, error, isOrdered }: ManagedState): boolean {
  return need.onDemand && error === undefined && isOrdered !== true;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** When Caddy renews at the latest: with a third of the life left (certmagic's default ratio). */
export function renewalOf({ notBefore, notAfter }: Validity): Date {
  return new Date(notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 3);
}

function stateOf(need: ManagedName, { served, attempt }: CaddyCertificate): ManagedState {
  const known =
    served === undefined
      ? undefined
      : {
          issuer: served.issuer,
          serial: served.serial,
          names: served.names,
          notBefore: new Date(served.not_before),
          notAfter: new Date(served.not_after),
        };
  const error =
    attempt?.error === undefined
      ? undefined
      : {
          message: explainFailure(attempt.error),
          at: attempt.failed_at ?? attempt.since,
          failures: attempt.failures,
        };
  const expired = known !== undefined && known.notAfter.getTime() <= Date.now();
  // The state is that of the try under way; what the one before failed of stays in `error`.
  const isTrying = error === undefined || attempt?.trying_since !== undefined;
  const without = isTrying ? "pending" : "failed";
  const isOrdered = attempt !== undefined && error === undefined;
  const isWanting = known === undefined || expired;
  const wanting = known === undefined ? without : "expired";
  const nobodyAsks = need.onDemand && attempt === undefined;
  return {
    need,
    isOrdered,
    state: !isWanting ? "ready" : nobodyAsks ? "idle" : wanting,
    ...(known === undefined ? {} : { served: known }),
    ...(error === undefined ? {} : { error }),
  };
}
