import { isDeepStrictEqual } from "node:util";
import type { Instance, InstanceState } from "../model/api.ts";
import { SortedKeys } from "../util/sorted-keys.ts";
import { resolveInstance } from "./instance-address.ts";
import type { InstanceChange } from "./instance-events.ts";
import type { Reference, Resolution } from "./instance-resolver.ts";
import { SERVICE_SUFFIX, ServiceIndex, serviceKey } from "./service-index.ts";

interface Sorted {
  readonly ids: SortedKeys;
  readonly names: SortedKeys;
}

const unknown: Resolution = { kind: "unknown" };
const ambiguous: Resolution = { kind: "no_address", reason: "several instances have this name" };
/** RFC 8020: where `a.b` exists, `b` exists too, without records; NXDOMAIN for it would deny `a.b`. */
const parentOnly: Resolution = {
  kind: "no_address",
  reason: "no instance has this name, only longer names end in it",
};

/** Sorts names before ids; no name contains it. */
const SEPARATOR = "\0";

/**
 * Instances by name, id and id prefix, in memory and without regard to case. Pure: no clock, no input, no output.
 * An id wins over an equal name, as in hypeman's lookup.
 */
export class InstanceIndex {
  readonly #byId = new Map<string, Instance>();
  /** Mostly one has a name, so that a list is made for the second only. */
  readonly #byName = new Map<string, Instance | readonly Instance[]>();
  /** For every dotted name, each name above it, with the number of instances below. */
  readonly #parents = new Map<string, number>();
  /** Undefined after `fill` until an order is asked for: most starts need none at once. */
  #sorted: Sorted | undefined = { ids: new SortedKeys(), names: new SortedKeys() };
  readonly #services = new ServiceIndex();
  readonly #states = new Map<InstanceState, number>();
  readonly #changed: (changes: readonly InstanceChange[]) => void;

  /** `changed` hears what each step but `fill` did to which instances. */
  constructor(changed: (changes: readonly InstanceChange[]) => void = () => undefined) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** How many instances there are in each state. */
  get states(): ReadonlyMap<InstanceState, number> {
    return this.#states;
  }

  /** Exact id or name, or `<service>.svc`. */
  resolve(name: string): Resolution {
    const key = name.toLowerCase();
    if (key.endsWith(SERVICE_SUFFIX)) return this.#services.resolve(key);
    const instance = this.#byId.get(key);
    if (instance !== undefined) return resolveInstance(instance);
    const named = this.#byName.get(key);
    if (named === undefined) return this.#hasBelow(key) ? parentOnly : unknown;
    return isSeveral(named) ? ambiguous : resolveInstance(named);
  }

  /** Id, then name, then unique id prefix. */
  reference(reference: string): Exclude<Reference, { kind: "unavailable" }> {
    const key = reference.toLowerCase();
    if (key === "") return { kind: "unknown" };
    const instance = this.#byId.get(key);
    if (instance !== undefined) return { kind: "found", instance };
    const named = this.named(key);
    if (named.length > 0) return oneOf(named);
    return oneOf(
      this.#orders()
        .ids.startingWith(key, 2)
        .map((id) => this.#instance(id)),
    );
  }

  /** The instance with exactly this id. */
  get(id: string): Instance | undefined {
    return this.#byId.get(id.toLowerCase());
  }

  /** The instances with exactly this name. */
  named(name: string): readonly Instance[] {
    return instancesOf(this.#byName.get(name.toLowerCase()));
  }

  /** Every instance, by ascending name, then id. */
  list(): readonly Instance[] {
    return this.#orders()
      .names.values()
      .map((key) => this.#instance(key.slice(key.indexOf(SEPARATOR) + 1)));
  }

  /** Makes `instances` the whole content. Returns the names, ids and services whose answer changed. */
  replace(instances: readonly Instance[]): readonly string[] {
    const present = new Set(instances.map((instance) => instance.id.toLowerCase()));
    const deletes = [...this.#byId.keys()].filter((id) => !present.has(id));
    const puts = instances.filter((instance) => !isDeepStrictEqual(this.get(instance.id), instance));
    return this.apply(puts, deletes);
  }

  /** `replace` of an empty index at a start, when nobody asks what changed. */
  fill(instances: readonly Instance[]): void {
    for (const instance of instances) {
      if (this.#byId.has(idKey(instance))) this.#remove(this.#instance(idKey(instance)));
      this.#add(instance);
    }
    this.#sorted = undefined;
  }

  /** Adds or replaces instances by id and deletes ids, as one step. Returns the names and ids whose answer changed. */
  apply(puts: readonly Instance[], deletes: readonly string[]): readonly string[] {
    const leaving = [...deletes, ...puts.map((instance) => instance.id)].flatMap((id) => this.get(id) ?? []);
    const touched = new Set([...leaving, ...puts].flatMap(keysOf));
    const before = new Map([...touched].map((key) => [key, this.resolve(key)]));
    for (const instance of leaving) this.#remove(instance);
    // Of two puts with one id in one step the last counts.
    const arriving = new Map(puts.map((instance) => [instance.id.toLowerCase(), instance]));
    for (const instance of arriving.values()) this.#add(instance);
    this.#sorted?.ids.update(keySet(leaving, idKey), keySet(arriving.values(), idKey));
    this.#sorted?.names.update(keySet(leaving, nameKey), keySet(arriving.values(), nameKey));
    const left = new Map(leaving.map((instance) => [idKey(instance), instance]));
    const ids = new Set([...left.keys(), ...arriving.keys()]);
    this.#changed(Array.from(ids, (id) => ({ before: left.get(id), after: arriving.get(id) })));
    return [...before].filter(([key, old]) => !sameResolution(old, this.resolve(key))).map(([key]) => key);
  }

  #orders(): Sorted {
    if (this.#sorted !== undefined) return this.#sorted;
    const none: ReadonlySet<string> = new Set();
    const present = [...this.#byId.values()];
    const sorted = { ids: new SortedKeys(), names: new SortedKeys() };
    sorted.ids.update(none, keySet(present, idKey));
    sorted.names.update(none, keySet(present, nameKey));
    this.#sorted = sorted;
    return sorted;
  }

  #hasBelow(key: string): boolean {
    return this.#parents.has(key) || (key === SERVICE_SUFFIX.slice(1) && !this.#services.empty);
  }

  #instance(id: string): Instance {
    return this.#byId.get(id) as Instance;
  }

  #add(instance: Instance): void {
    const name = instance.name.toLowerCase();
    this.#byId.set(idKey(instance), instance);
    this.#countState(instance, 1);
    if (instance.service !== undefined) this.#services.add(instance, resolveInstance(instance));
    const named = this.#byName.get(name);
    this.#byName.set(name, named === undefined ? instance : [...instancesOf(named), instance]);
    for (const parent of parentsOf(name)) this.#parents.set(parent, (this.#parents.get(parent) ?? 0) + 1);
  }

  #countState({ state }: Instance, step: 1 | -1): void {
    this.#states.set(state, (this.#states.get(state) ?? 0) + step);
  }

  #remove(instance: Instance): void {
    const id = idKey(instance);
    const name = instance.name.toLowerCase();
    if (!this.#byId.delete(id)) return;
    this.#countState(instance, -1);
    this.#services.remove(instance);
    const rest = instancesOf(this.#byName.get(name)).filter((other) => idKey(other) !== id);
    const [first] = rest;
    if (first === undefined) this.#byName.delete(name);
    else this.#byName.set(name, rest.length === 1 ? first : rest);
    for (const parent of parentsOf(name)) {
      const count = (this.#parents.get(parent) ?? 0) - 1;
      if (count > 0) this.#parents.set(parent, count);
      else this.#parents.delete(parent);
    }
  }
}

function isSeveral(named: Instance | readonly Instance[]): named is readonly Instance[] {
  return Array.isArray(named);
}

function instancesOf(named: Instance | readonly Instance[] | undefined): readonly Instance[] {
  if (named === undefined) return [];
  return isSeveral(named) ? named : [named];
}

function oneOf(instances: readonly Instance[]): Exclude<Reference, { kind: "unavailable" }> {
  const [first, second] = instances;
  if (first === undefined) return { kind: "unknown" };
  return second === undefined ? { kind: "found", instance: first } : { kind: "ambiguous" };
}

function idKey(instance: Instance): string {
  return instance.id.toLowerCase();
}

function nameKey(instance: Instance): string {
  return `${instance.name.toLowerCase()}${SEPARATOR}${idKey(instance)}`;
}

function keySet(instances: Iterable<Instance>, key: (instance: Instance) => string): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const instance of instances) keys.add(key(instance));
  return keys;
}

/** Everything that DNS may be asked and that this instance has a part in. */
function keysOf(instance: Instance): string[] {
  const name = instance.name.toLowerCase();
  const service = serviceKey(instance);
  return [name, idKey(instance), ...parentsOf(name), ...(service === undefined ? [] : [service, "svc"])];
}

/** `a.b.c` → `b.c`, `c`. */
function parentsOf(name: string): string[] {
  const parents: string[] = [];
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1))
    parents.push(name.slice(dot + 1));
  return parents;
}

function sameResolution(one: Resolution, other: Resolution): boolean {
  return one === other || isDeepStrictEqual(one, other);
}
