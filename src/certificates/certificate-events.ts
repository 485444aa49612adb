import type { EventDraft } from "../model/event.ts";
import type { ManagedState } from "./managed-state.ts";

/** Names whose last certificate is remembered. */
const MOST_REMEMBERED = 10_000;
/** A certificate whose time began before was found in storage: one that is issued has begun an hour ago at most. */
const FRESH_MS = 24 * 60 * 60 * 1000;

/** Tells what becomes of the certificates that Caddy manages: what is new of them, and nothing twice. */
export class CertificateEvents {
  /** Name → serial of the certificate that was told of last. */
  readonly #told = new Map<string, string>();

  /** What a look at a name has found. `isFirst`: nobody knows what was before. */
  of(before: ManagedState, after: ManagedState, isFirst: boolean): readonly EventDraft[] {
    const { subject } = after.need;
    const { error } = after;
    const certificate = { name: subject };
    const events: EventDraft[] = [];
    if (after.isOrdered === true && before.isOrdered !== true && !isFirst)
      events.push({
        type: "certificate.ordered",
        message: `a certificate for ${subject} is ordered`,
        certificate,
        data: { issuer: after.need.issuer },
      });
    const issued = this.#issued(after, isFirst);
    if (issued !== undefined) events.push(issued);
    if (error !== undefined && error.message !== before.error?.message)
      events.push({
        type: "certificate.failed",
        message: `no certificate for ${subject} was issued; it is tried again: ${error.message}`,
        certificate,
        data: { reason: error.message, failures: error.failures },
      });
    return events;
  }

  #issued({ need: { subject }, served }: ManagedState, isFirst: boolean): EventDraft | undefined {
    if (served === undefined || served.serial === this.#told.get(subject)) return undefined;
    this.#told.delete(subject);
    this.#told.set(subject, served.serial);
    const [oldest] = this.#told.keys();
    if (this.#told.size > MOST_REMEMBERED && oldest !== undefined) this.#told.delete(oldest);
    if (isFirst || Date.now() - served.notBefore.getTime() > FRESH_MS) return undefined;
    const until = served.notAfter.toISOString();
    return {
      type: "certificate.issued",
      message: `a certificate for ${subject} was issued by ${served.issuer}, until ${until}`,
      certificate: { name: subject },
      data: { issuer: served.issuer, serial: served.serial, not_after: until },
    };
  }
}

/** A certificate that ends soon, and that nothing has renewed yet. */
export function expiring(name: string, notAfter: Date): EventDraft {
  const until = notAfter.toISOString();
  return {
    type: "certificate.expiring",
    message: `the certificate ${name} ends at ${until}`,
    certificate: { name },
    data: { not_after: until },
  };
}
