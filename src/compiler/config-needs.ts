import { PortCounts, uniteUses } from "./port-counts.ts";
import type { PortUse } from "./port-use.ts";
import type { Row } from "./row.ts";
import type { CompiledRow } from "./rows.ts";
import { keyOf, type ManagedName, type RuleTlsNeed, slotOf, type TlsNeed } from "./tls-needs.ts";

/** What of the rows decides the Caddy configuration: ports, who signs certificates. */
export interface NeedsView {
  /** By ascending port. */
  ports(): readonly PortUse[];
  /** In an order that depends on nothing but the needs. */
  tlsNeeds(): readonly TlsNeed[];
}

/** The needs as they were at one moment. */
export class NeedsSnapshot implements NeedsView {
  readonly #ports: readonly PortUse[];
  readonly #tlsNeeds: readonly TlsNeed[];

  constructor(view: NeedsView) {
    this.#ports = view.ports();
    this.#tlsNeeds = view.tlsNeeds();
  }

  ports(): readonly PortUse[] {
    return this.#ports;
  }

  tlsNeeds(): readonly TlsNeed[] {
    return this.#tlsNeeds;
  }
}

/**
 * Counts what rows use, so that a change of one ingress tells in constant time whether the configuration
 * changes with it or only the host table does.
 */
export class ConfigNeeds implements NeedsView {
  readonly #ports = new PortCounts();
  readonly #tlsNeeds = new Map<string, { need: TlsNeed; uses: number }>();
  /** Of the host table, as are the options of connections: what else rules must agree about. */
  readonly #names = new Map<string, { need: ManagedName; uses: number }>();
  /** Needs that must agree, by their slot. */
  readonly #slots = new Map<string, Map<string, number>>();
  /** Policy sets by key: what the host table has, not the configuration. */
  readonly #sets = new Map<string, number>();
  #generation = 0;
  #tlsGeneration = 0;

  /** Grows whenever a port, a kind of traffic on it or what TLS needs comes or goes. */
  get generation(): number {
    return this.#generation;
  }

  /** Grows whenever an imported certificate or a name with a certificate of Caddy's comes or goes. */
  get tlsGeneration(): number {
    return this.#tlsGeneration;
  }

  add(compiled: CompiledRow): void {
    this.#count(compiled, 1);
  }

  remove(compiled: CompiledRow): void {
    this.#count(compiled, -1);
  }

  #count({ row, policySet, tlsNeeds }: CompiledRow, step: 1 | -1): void {
    this.#countRow(row, step);
    if (policySet !== undefined) this.#countSet(policySet.key, step);
    for (const need of tlsNeeds ?? []) this.#countNeed(need, step);
  }

  #countSet(key: string, step: 1 | -1): void {
    const uses = this.usesOfSet(key) + step;
    if (uses === 0) this.#sets.delete(key);
    else this.#sets.set(key, uses);
  }

  #countRow(row: Pick<Row, "port" | "tls" | "listen" | "layer4">, step: 1 | -1): void {
    if (this.#ports.count(row, step)) this.#generation += 1;
  }

  #countNeed(need: RuleTlsNeed, step: 1 | -1): void {
    if (need.kind === "challenge-port") this.#countRow({ port: need.port }, step);
    if (need.kind === "connection") this.#countSlot(need, step);
    else if (need.kind === "managed") {
      if (count(this.#names, need, step)) this.#tlsGeneration += 1;
      this.#countSlot(need, step);
    } else if (count(this.#tlsNeeds, need, step)) {
      this.#generation += 1;
      this.#tlsGeneration += 1;
    }
  }

  #countSlot(need: RuleTlsNeed, step: 1 | -1): void {
    const slot = slotOf(need);
    if (slot === undefined) return;
    const keys = this.#slots.get(slot) ?? new Map<string, number>();
    const key = keyOf(need);
    const uses = (keys.get(key) ?? 0) + step;
    if (uses === 0) keys.delete(key);
    else keys.set(key, uses);
    if (keys.size === 0) this.#slots.delete(slot);
    else this.#slots.set(slot, keys);
  }

  /** How many rows have the need, such as an imported certificate. */
  usesOf(need: TlsNeed): number {
    return this.#tlsNeeds.get(keyOf(need))?.uses ?? 0;
  }

  /** How many rows name the policy set. */
  usesOfSet(key: string): number {
    return this.#sets.get(key) ?? 0;
  }

  /** How many rows need a certificate that Caddy manages for the name, whoever signs it. */
  usesOfName(subject: string): number {
    let uses = 0;
    for (const count of this.#slots.get(subject)?.values() ?? []) uses += count;
    return uses;
  }

  /** Whether rows have another need where this one would have to agree; `own` are uses that are about to go. */
  contradicts(need: RuleTlsNeed, own: readonly RuleTlsNeed[]): boolean {
    const slot = slotOf(need);
    const keys = slot === undefined ? undefined : this.#slots.get(slot);
    if (keys === undefined) return false;
    const going = own.map(keyOf);
    return [...keys].some(
      ([key, uses]) => key !== keyOf(need) && uses > going.filter((one) => one === key).length,
    );
  }

  /** The names that Caddy gets certificates for, in no order. */
  managedNames(): readonly ManagedName[] {
    return [...this.#names.values()].map(({ need }) => need);
  }

  ports(): readonly PortUse[] {
    return this.#ports.list();
  }

  tlsNeeds(): readonly TlsNeed[] {
    return [...this.#tlsNeeds].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, { need }]) => need);
  }
}

/** Counts one use more or less; returns whether that was the first or the last. */
function count<Need extends RuleTlsNeed>(
  uses: Map<string, { need: Need; uses: number }>,
  need: Need,
  step: 1 | -1,
): boolean {
  const key = keyOf(need);
  const known = uses.get(key) ?? { need, uses: 0 };
  known.uses += step;
  if (known.uses === 0) uses.delete(key);
  else uses.set(key, known);
  return known.uses === (step === 1 ? 1 : 0);
}

/** What either of two needs has: a configuration for it serves the rows of both. */
export function unite(left: NeedsView, right: NeedsView): NeedsView {
  const ports = new Map<number, PortUse>();
  for (const use of [...left.ports(), ...right.ports()]) {
    const known = ports.get(use.port);
    ports.set(use.port, known === undefined ? use : uniteUses(known, use));
  }
  const needs = new Map([...left.tlsNeeds(), ...right.tlsNeeds()].map((need) => [keyOf(need), need]));
  return {
    ports: () => [...ports.values()].sort((one, other) => one.port - other.port),
    tlsNeeds: () => [...needs].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, need]) => need),
  };
}
