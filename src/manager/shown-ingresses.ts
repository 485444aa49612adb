import type { Ingress, SetAsideIngress } from "../model/api.ts";
import type { Owner } from "../model/limits.ts";
import type { Catalog } from "./catalog.ts";
import type { Lookup } from "./ingress-manager.ts";
import { isOwn } from "./own-changes.ts";

/** The committed ingresses that a caller sees: all of them, or with `own` those that are the caller's. */
export class ShownIngresses {
  readonly #catalog: Catalog;
  readonly #owner: Owner | undefined;

  constructor(catalog: Catalog, own: Owner | undefined) {
    this.#catalog = catalog;
    this.#owner = own;
  }

  get(id: string): Ingress | undefined {
    return this.visible(this.#catalog.get(id));
  }

  lookup(reference: string): Lookup {
    return (
      this.#byId(reference) ??
      found(this.visible(this.#catalog.committedNamed(reference))) ??
      notServed(this.visible(this.#catalog.setAside.named(reference))) ??
      this.#byPrefix(reference)
    );
  }

  list(order: "id" | "name" = "id"): Iterable<Ingress> {
    const all = order === "name" ? this.#catalog.listByName() : this.#catalog.list();
    return this.#owner === undefined ? all : ownOf(all, this.#owner);
  }

  present(): Iterable<Ingress> {
    return this.#owner === undefined ? this.#catalog.values() : ownPresent(this.#catalog, this.#owner);
  }

  setAside(): readonly SetAsideIngress[] {
    const all = this.#catalog.setAside.list();
    return this.#owner === undefined ? all : all.filter((one) => this.visible(one) !== undefined);
  }

  /** Undefined for what is not the caller's. */
  visible<One extends Ingress | SetAsideIngress>(one: One | undefined): One | undefined {
    return one === undefined || this.#owner === undefined || isOwn(one, this.#owner) ? one : undefined;
  }

  #byId(id: string): Lookup | undefined {
    return (
      found(this.visible(this.#catalog.get(id))) ?? notServed(this.visible(this.#catalog.setAside.get(id)))
    );
  }

  #byPrefix(prefix: string): Lookup {
    if (prefix === "") return { kind: "unknown" };
    // Of others nothing is to be seen, not even that there are several.
    const served = this.#catalog.idsStartingWith(prefix, this.#owner === undefined ? 2 : this.#catalog.size);
    const ids = [
      ...served.filter((id) => this.get(id) !== undefined),
      ...this.setAside().flatMap(({ id }) => (id.startsWith(prefix) ? [id] : [])),
    ];
    const [id, second] = ids;
    if (second !== undefined) return { kind: "ambiguous" };
    return (id === undefined ? undefined : this.#byId(id)) ?? { kind: "unknown" };
  }
}

function found(ingress: Ingress | undefined): Lookup | undefined {
  return ingress === undefined ? undefined : { kind: "found", ingress };
}

function* ownOf(ingresses: Iterable<Ingress>, own: Owner): Generator<Ingress> {
  for (const one of ingresses) if (isOwn(one, own)) yield one;
}

function* ownPresent(catalog: Catalog, own: Owner): Generator<Ingress> {
  for (const id of catalog.owners.idsOf(own.subject)) {
    const one = catalog.get(id);
    if (one !== undefined && isOwn(one, own)) yield one;
  }
}

function notServed(ingress: SetAsideIngress | undefined): Lookup | undefined {
  return ingress === undefined ? undefined : { kind: "set-aside", ingress };
}
