import type { Event, Ingress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { attributed, type EventDraft } from "../model/event.ts";
import type { Finding } from "../status/condition.ts";
import type { IngressChange } from "./catalog.ts";

/** Changes that were stored together, and whose they are. */
export interface Commit {
  readonly changes: readonly IngressChange[];
  readonly by: Attribution;
}

/** More changes of one author in one batch are one event: they would push everything else out of the history. */
const MOST_APART = 100;
/** What of an ingress an event names. */
const MOST_HOSTNAMES = 5;
const MOST_NAMES = 10;

/** What a batch of commits did, in its order. `programmed` is the condition of that type. Pure. */
export function ingressEvents(
  commits: readonly Commit[],
  programmed: (ingress: Ingress) => Finding | undefined,
): readonly EventDraft[] {
  const byAuthor = new Map<Attribution, IngressChange[]>();
  for (const { changes, by } of commits) {
    const known = byAuthor.get(by);
    // Not spread: a commit may have more changes than a call can have arguments.
    if (known === undefined) byAuthor.set(by, [...changes]);
    else for (const change of changes) known.push(change);
  }
  return [...byAuthor].flatMap(([by, changes]) =>
    changes.length > MOST_APART
      ? [batchEvent(changes, by)]
      : changes.flatMap((change) => changeEvent(change, by, programmed) ?? []),
  );
}

type Verb = "created" | "changed" | "deleted";

function verbOf({ before, setAside, after }: IngressChange): Verb {
  if (after === undefined) return "deleted";
  return before === undefined && setAside === undefined ? "created" : "changed";
}

function changeEvent(
  change: IngressChange,
  by: Attribution,
  programmed: (ingress: Ingress) => Finding | undefined,
): EventDraft | undefined {
  const subject = change.after ?? change.before ?? change.setAside;
  if (subject === undefined) return undefined;
  const verb = verbOf(change);
  const { id, name } = subject;
  const owner = "reason" in subject ? subject.ingress?.owner : subject.owner;
  const before = change.before ?? change.setAside;
  const renamed = verb === "changed" && before?.name !== name ? before?.name : undefined;
  return {
    type: `ingress.${verb}`,
    message: `ingress ${name ?? id} was ${verb}${renamed === undefined ? "" : `, before ${renamed}`}`,
    ingress: { id, ...(name === undefined ? {} : { name }), ...(owner === undefined ? {} : { owner }) },
    ...attributed(by),
    ...(change.after === undefined ? {} : { data: dataOf(change.after, programmed(change.after)) }),
  };
}

function dataOf({ rules }: Ingress, finding: Finding | undefined): NonNullable<Event["data"]> {
  const hostnames = [...new Set(rules.flatMap(({ match }) => match.hostname ?? []))];
  return {
    rules: rules.length,
    hostnames: hostnames.slice(0, MOST_HOSTNAMES),
    ...(finding === undefined ? {} : { programmed: finding.status === "True" }),
    ...(finding === undefined || finding.status === "True"
      ? {}
      : { reason: finding.reason, explanation: finding.message }),
  };
}

function batchEvent(changes: readonly IngressChange[], by: Attribution): EventDraft {
  const names: { [verb in Verb]: string[] } = { created: [], changed: [], deleted: [] };
  for (const change of changes) {
    const { id = "", name } = change.after ?? change.before ?? change.setAside ?? {};
    names[verbOf(change)].push(name ?? id);
  }
  const counts = Object.entries(names).filter(([, of]) => of.length > 0);
  return {
    type: "ingress.batch",
    message: `ingresses in one batch: ${counts.map(([verb, of]) => `${of.length} ${verb}`).join(", ")}`,
    ...attributed(by),
    data: Object.fromEntries(
      counts.map(([verb, of]) => [verb, { count: of.length, first: of.slice(0, MOST_NAMES) }]),
    ),
  };
}
