import type { CaddyConfig } from "../../src/caddy-json/config.ts";
import { apiRows } from "../../src/compiler/api-rows.ts";
import { compileConfig } from "../../src/compiler/compile.ts";
import { ConfigNeeds } from "../../src/compiler/config-needs.ts";
import { TableDigest } from "../../src/compiler/digest.ts";
import type { Table } from "../../src/compiler/row.ts";
import { compileRows, policySetsOf } from "../../src/compiler/rows.ts";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import type { ImportedDigests } from "../../src/compiler/tls.ts";
import type { Ingress } from "../../src/model/api.ts";

/** What Caddy runs: its configuration and the host table. */
export interface Compiled {
  readonly config: CaddyConfig;
  readonly table: Table;
}

/** Compiles ingresses from nothing; the manager keeps rows, needs and digest up to date change by change. */
export function compile(
  ingresses: Iterable<Ingress>,
  settings: CompilerSettings,
  imported: ImportedDigests = new Map(),
): Compiled {
  const needs = new ConfigNeeds();
  const digest = new TableDigest();
  const ofIngresses = [...ingresses].flatMap((ingress) => compileRows(ingress, settings));
  const compiled = [...apiRows(settings), ...ofIngresses];
  for (const one of compiled) {
    needs.add(one);
    digest.add(one.row);
  }
  const rows = compiled.map(({ row }) => row).sort((left, right) => (left.id < right.id ? -1 : 1));
  return {
    config: compileConfig(needs, settings, imported),
    table: { version: digest.version(), rows, policy_sets: policySetsOf(compiled) },
  };
}
