import type { Ingress } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";

/** Who holds a host: mostly one by one rule, so that a map of numbers of rules is made for the second only. */
type Holders = string | Map<string, number>;

/**
 * Holds the hosts of documents without an owner: those of whoever operates this Gatewright, and of VM managers that call
 * without a subject. Nobody is called so.
 */
const NOBODY = "";

/**
 * Which subjects have which ingresses, and hold which hosts, wildcards included, on whatever port. Documents without an owner
 * are nobody's, and hold their hosts all the same; every host (`*`) is no host. A look-up of a host costs as much as there are
 * different places of stars among the wildcards.
 */
export class Owners {
  /** Owner → ids. */
  readonly #ids = new Map<string, Set<string>>();
  /** By shape; that of a literal is the string that the rule itself holds. */
  readonly #holders = new Map<string, Holders>();
  /** Places of stars, such as `*..` for `*.example.com` → number of rules. */
  readonly #masks = new Map<string, number>();

  add(ingress: Ingress): void {
    this.#count(ingress, 1);
    const { id, owner } = ingress;
    if (owner === undefined) return;
    const ids = this.#ids.get(owner);
    if (ids === undefined) this.#ids.set(owner, new Set([id]));
    else ids.add(id);
  }

  remove(ingress: Ingress): void {
    this.#count(ingress, -1);
    const { id, owner } = ingress;
    if (owner === undefined) return;
    const ids = this.#ids.get(owner);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(owner);
  }

  /** Ids of an owner's ingresses, in no order. */
  idsOf(owner: string): Iterable<string> {
    return this.#ids.get(owner) ?? [];
  }

  /** Shapes that cover the hostname and that others than `owner` hold, itself among them. */
  heldByOthers(hostname: string, owner: string): readonly string[] {
    const shape = hostnameShape(hostname);
    const labels = shape.split(".");
    const shapes = new Set([shape]);
    for (const mask of this.#masks.keys()) {
      const stars = mask.split(".");
      if (stars.length === labels.length)
        shapes.add(labels.map((label, index) => (stars[index] === "*" ? "*" : label)).join("."));
    }
    return [...shapes].filter((one) => hasOther(this.#holders.get(one), owner));
  }

  /**
   * A shape that a wildcard takes hosts of and that others than `owner` hold; undefined where there is none. Looks at every shape
   * that is held.
   */
  heldUnder(wildcard: string, owner: string): string | undefined {
    const wide = hostnameShape(wildcard);
    const end = wide.slice(wide.lastIndexOf("*") + 1);
    for (const [shape, holders] of this.#holders) {
      // Most are ruled out by that alone.
      if (!shape.endsWith(end) || !isUnder(shape, wide)) continue;
      if (hasOther(holders, owner)) return shape;
    }
    return undefined;
  }

  #count({ owner = NOBODY, rules }: Ingress, step: 1 | -1): void {
    for (const { match } of rules) {
      const shape = hostnameShape(match.hostname);
      if (shape === "*") continue;
      const holders = counted(this.#holders.get(shape), owner, step);
      if (holders === undefined) this.#holders.delete(shape);
      else this.#holders.set(shape, holders);
      if (shape.includes("*")) count(this.#masks, maskOf(shape), step);
    }
  }
}

function hasOther(holders: Holders | undefined, owner: string): boolean {
  if (holders === undefined || typeof holders === "string") return holders !== undefined && holders !== owner;
  return holders.size > (holders.has(owner) ? 1 : 0);
}

/** The holders with one rule more or less; undefined when nobody is left. A map changes in place. */
function counted(holders: Holders | undefined, owner: string, step: 1 | -1): Holders | undefined {
  if (holders === undefined) return step === 1 ? owner : undefined;
  if (holders === owner && step === -1) return undefined;
  const numbers = typeof holders === "string" ? new Map([[holders, 1]]) : holders;
  count(numbers, owner, step);
  return numbers.size === 0 ? undefined : numbers;
}

/** Whether all hosts of a shape are those of another one, too. */
export function isUnder(shape: string, wider: string): boolean {
  if (wider === "*") return true;
  const [labels, others] = [shape.split("."), wider.split(".")];
  return (
    labels.length === others.length &&
    others.every((label, index) => label === "*" || label === labels[index])
  );
}

function maskOf(shape: string): string {
  return shape
    .split(".")
    .map((label) => (label === "*" ? "*" : ""))
    .join(".");
}

function count(counts: Map<string, number>, key: string, step: 1 | -1): void {
  const number = (counts.get(key) ?? 0) + step;
  if (number === 0) counts.delete(key);
  else counts.set(key, number);
}
