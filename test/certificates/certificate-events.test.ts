import { expect, it } from "vitest";
import { CertificateEvents } from "../../src/certificates/certificate-events.ts";
import type { ManagedState } from "../../src/certificates/managed-state.ts";

const need = { subject: "a.test", issuer: "acme", onDemand: false } as ManagedState["need"];
const pending: ManagedState = { need, state: "pending" };
const ordered: ManagedState = { ...pending, isOrdered: true };
const failed = (message: string): ManagedState => ({
  need,
  state: "failed",
  error: { message, at: "2026-01-01T00:00:00Z", failures: 2 },
});
const HOUR_MS = 3_600_000;
const served = (serial: string, ageMs = 0): ManagedState => {
  const notBefore = new Date(Date.now() - ageMs);
  const notAfter = new Date(Date.now() + 24 * HOUR_MS);
  return { need, state: "ready", served: { issuer: "CA", serial, names: ["a.test"], notBefore, notAfter } };
};
const typesOf = (
  events: CertificateEvents,
  ...steps: readonly (readonly [ManagedState, ManagedState, boolean?])[]
) =>
  steps.map(([before, after, isFirst = false]) => events.of(before, after, isFirst).map(({ type }) => type));

it("tells of an order, its failures and the certificate, each once", () => {
  expect(
    typesOf(
      new CertificateEvents(),
      [pending, ordered],
      [ordered, ordered],
      [ordered, failed("no answer")],
      [failed("no answer"), failed("no answer")],
      [failed("no answer"), failed("refused")],
      [failed("refused"), served("1")],
      [served("1"), served("1")],
      [served("1"), served("2")],
    ),
  ).toEqual([
    ["certificate.ordered"],
    [],
    ["certificate.failed"],
    [],
    ["certificate.failed"],
    ["certificate.issued"],
    [],
    ["certificate.issued"],
  ]);
});

it("takes what was there before for no news: at the start, from storage, and of a name that comes back", () => {
  const events = new CertificateEvents();
  expect(
    typesOf(
      events,
      [pending, served("1"), true],
      [pending, served("1")],
      [pending, served("old", 25 * HOUR_MS)],
      [pending, ordered, true],
      [pending, served("new", HOUR_MS)],
      [pending, served("new", HOUR_MS)],
    ),
  ).toEqual([[], [], [], [], ["certificate.issued"], []]);
});

it("remembers the last certificates of a bounded number of names", () => {
  const events = new CertificateEvents();
  const of = (subject: string) =>
    events.of(
      { ...pending, need: { ...need, subject } },
      { ...served("1"), need: { ...need, subject } },
      false,
    );
  for (let name = 0; name <= 10_000; name++) expect(of(`n${name}.test`)).toHaveLength(1);
  expect([of("n10000.test").length, of("n0.test").length]).toEqual([0, 1]);
});
