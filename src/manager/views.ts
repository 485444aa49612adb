import { policiesOfHandlers } from "../compiler/policy-set.ts";
import { type CompiledRow, compileRows } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ManagedName, TlsNeed } from "../compiler/tls-needs.ts";
import type { GatewrightError } from "../errors.ts";
import type { Ingress, IngressRule } from "../model/api.ts";
import type { Catalog } from "./catalog.ts";
import type { Reconciler } from "./reconciler.ts";

/** What the committed and staged ingresses need of TLS; for the module that follows certificates. */
export interface TlsView {
  /** Changes whenever needs come or go. */
  generation(): number;
  /** Changes whenever those of the committed ingresses do. */
  committed(): number;
  /** The names that Caddy gets certificates for, in no order. */
  names(): readonly ManagedName[];
  usesOf(need: TlsNeed): number;
  /** How many rules have their certificate for this name from Caddy. */
  usesOfName(subject: string): number;
  /** Has Caddy load the configuration with the imported certificates as they are now. */
  reload(): Promise<void>;
}

/** What Caddy is to run by what is stored; for those who compare it with what Caddy runs. */
export interface WantedView {
  rowsOf(ingress: Ingress): readonly CompiledRow[];
  /** Which policy each handler of a rule's policy set is of. */
  policiesOfHandlers(rule: IngressRule): readonly string[];
  /** Version of the host table. */
  tableVersion(): string;
  /** Ports that cannot be bound, with the reason. */
  leftOut(): ReadonlyMap<number, GatewrightError>;
}

export function tlsView(catalog: Catalog, reconciler: Reconciler): TlsView {
  const { needs } = catalog;
  return {
    generation: () => needs.tlsGeneration,
    committed: () => catalog.committedTls,
    names: () => needs.managedNames(),
    usesOf: (need) => needs.usesOf(need),
    usesOfName: (subject) => needs.usesOfName(subject),
    reload: () => reconciler.reloadCertificates(),
  };
}

export function wantedView(catalog: Catalog, reconciler: Reconciler, compiler: CompilerSettings): WantedView {
  return {
    rowsOf: (ingress) => compileRows(ingress, compiler),
    policiesOfHandlers: (rule) => policiesOfHandlers(rule, compiler),
    tableVersion: () => catalog.committedVersion,
    leftOut: () => reconciler.leftOut,
  };
}
