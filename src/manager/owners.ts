import type { Ingress } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";

/**
 * Which subjects have which ingresses, and hold which hosts, wildcards included, on whatever port. Documents without an owner
 * are nobody's, and every host (`*`) is no host. A look-up of a host costs as much as there are different places of stars
 * among the wildcards.
 */
export class Owners {
  /** Owner → ids. */
  readonly #ids = new Map<string, Set<string>>();
  /** Shape → owner → number of rules. */
  readonly #owners = new Map<string, Map<string, number>>();
  /** Places of stars, such as `*..` for `*.example.com` → number of rules. */
  readonly #masks = new Map<string, number>();

  add(ingress: Ingress): void {
    const { id, owner } = ingress;
    if (owner === undefined) return;
    const ids = this.#ids.get(owner);
    if (ids === undefined) this.#ids.set(owner, new Set([id]));
    else ids.add(id);
    this.#count(ingress, owner, 1);
  }

  remove(ingress: Ingress): void {
    const { id, owner } = ingress;
    if (owner === undefined) return;
    const ids = this.#ids.get(owner);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(owner);
    this.#count(ingress, owner, -1);
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
    return [...shapes].filter((one) =>
      [...(this.#owners.get(one)?.keys() ?? [])].some((who) => who !== owner),
    );
  }

  /**
   * A shape that a wildcard takes hosts of and that others than `owner` hold; undefined where there is none. Looks at every shape
   * that is held.
   */
  heldUnder(wildcard: string, owner: string): string | undefined {
    const wide = hostnameShape(wildcard);
    const end = wide.slice(wide.lastIndexOf("*") + 1);
    for (const [shape, owners] of this.#owners) {
      // Most are ruled out by that alone.
      if (!shape.endsWith(end) || !isUnder(shape, wide)) continue;
      if ([...owners.keys()].some((who) => who !== owner)) return shape;
    }
    return undefined;
  }

  #count({ rules }: Ingress, owner: string, step: 1 | -1): void {
    for (const { match } of rules) {
      const shape = hostnameShape(match.hostname);
      if (shape === "*") continue;
      const owners = this.#owners.get(shape) ?? new Map<string, number>();
      count(owners, owner, step);
      if (owners.size === 0) this.#owners.delete(shape);
      else this.#owners.set(shape, owners);
      if (shape.includes("*")) count(this.#masks, maskOf(shape), step);
    }
  }
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
