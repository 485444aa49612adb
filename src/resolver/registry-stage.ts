import { GatewrightError } from "../errors.ts";
import type { Instance } from "../model/api.ts";
import type { InstanceIndex } from "./instance-index.ts";

/**
 * The changes of one commit, on top of the instances that are durable: each later change sees the earlier ones, and
 * nobody else sees any before the commit.
 */
export class RegistryStage {
  readonly #index: InstanceIndex;
  /** By id; undefined: deleted. */
  readonly #changed = new Map<string, Instance | undefined>();
  /** Name → id, for instances put by this stage. */
  readonly #names = new Map<string, string>();

  constructor(index: InstanceIndex) {
    this.#index = index;
  }

  get puts(): readonly Instance[] {
    return [...this.#changed.values()].filter((instance) => instance !== undefined);
  }

  get deletes(): readonly string[] {
    // An id that was both added and deleted here never reached the store.
    return [...this.#changed]
      .filter(([id, now]) => now === undefined && this.#index.get(id) !== undefined)
      .map(([id]) => id);
  }

  byId(id: string): Instance | undefined {
    return this.#changed.has(id) ? this.#changed.get(id) : this.#index.get(id);
  }

  byName(name: string): Instance | undefined {
    const staged = this.#names.get(name);
    if (staged !== undefined) return this.byId(staged);
    const [durable] = this.#index.named(name);
    return durable === undefined ? undefined : this.byId(durable.id);
  }

  /** Id, then name, then unique id prefix. Throws `not_found`, `ambiguous`. */
  find(reference: string): Instance {
    const key = reference.toLowerCase();
    const exact = this.byId(key) ?? this.byName(key);
    if (exact !== undefined) return exact;
    const found = this.#index.reference(key);
    if (found.kind === "ambiguous")
      throw new GatewrightError("ambiguous", "multiple resources match, use full ID");
    const instance = found.kind === "found" ? this.byId(found.instance.id) : undefined;
    if (instance === undefined) throw new GatewrightError("not_found", "resource not found");
    return instance;
  }

  put(instance: Instance): void {
    this.#changed.set(instance.id, instance);
    this.#names.set(instance.name, instance.id);
  }

  delete(instance: Instance): void {
    this.#changed.set(instance.id, undefined);
    this.#names.delete(instance.name);
  }
}
