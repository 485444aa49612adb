import type { Instance, InstanceState } from "../model/api.ts";

/** What is known about a name that DNS may be asked for. */
export type Resolution =
  | { readonly kind: "addresses"; readonly addresses: readonly string[] }
  /** The instance exists, without an address to send requests to now. */
  | { readonly kind: "no_address"; readonly reason: string }
  | { readonly kind: "unknown" }
  /** The source has not answered yet or has failed for too long: nothing can be said. */
  | { readonly kind: "unavailable"; readonly reason: string };

/** What a reference in an ingress document (name, id or unique id prefix) leads to. */
export type Reference =
  | { readonly kind: "found"; readonly instance: Instance }
  | { readonly kind: "ambiguous" }
  | { readonly kind: "unknown" }
  | { readonly kind: "unavailable"; readonly reason: string };

/** The names whose answer may have changed; `all` when they cannot be listed. */
export type ResolverChange = { readonly names: readonly string[] } | { readonly all: true };

/**
 * Instance name → address, from memory. One implementation per source: the embedded registry, a hypeman, a file.
 * The contract suite in test/resolver/instance-resolver.contract.ts is its definition.
 */
export interface InstanceResolver {
  /** Loads what is needed to answer and starts to follow the source. */
  start(): Promise<void>;
  /** Exact name or id, or `<service>.svc`, without regard to case; never a prefix. Answers from memory. */
  resolve(name: string): Resolution;
  /** Id, then name, then unique id prefix, as hypeman looks up. May ask the source once for a name it does not know yet. */
  reference(reference: string): Promise<Reference>;
  /** Every instance known, by ascending name. */
  list(): readonly Instance[];
  /** How many of them there are in each state; a state without any may be absent. */
  states(): ReadonlyMap<InstanceState, number>;
  /** Calls the listener after each change of an answer until the returned function is called. */
  watch(listener: (change: ResolverChange) => void): () => void;
  close(): Promise<void>;
}
