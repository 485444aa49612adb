import type { CaddyConfig } from "../caddy-json/config.ts";
import type { Ingress } from "../model/api.ts";
import { errorPagesField } from "../policies/error-pages.ts";
import { ConfigNeeds, type NeedsView } from "./config-needs.ts";
import { digestOf, TableDigest } from "./digest.ts";
import { guardOf } from "./guard.ts";
import { httpApp } from "./http-servers.ts";
import { layer4App } from "./layer4.ts";
import type { Table } from "./row.ts";
import { compileRows } from "./rows.ts";
import type { CompilerSettings } from "./settings.ts";
import { type ImportedDigests, tlsApps } from "./tls.ts";

/** What Caddy runs: its configuration and the host table. */
export interface Compiled {
  readonly config: CaddyConfig;
  readonly table: Table;
}

/**
 * Compiles ingresses to Caddy's configuration and host table. Pure: the same ingresses in any order and the same
 * settings give the same result. The manager keeps the parts (rows, needs, digest) up to date row by row;
 * a test holds that both ways agree.
 */
export function compile(
  ingresses: Iterable<Ingress>,
  settings: CompilerSettings,
  imported: ImportedDigests = new Map(),
): Compiled {
  const needs = new ConfigNeeds();
  const digest = new TableDigest();
  const compiled = [...ingresses].flatMap((ingress) => compileRows(ingress, settings));
  for (const one of compiled) {
    needs.add(one);
    digest.add(one.row);
  }
  const rows = compiled.map(({ row }) => row).sort((left, right) => (left.id < right.id ? -1 : 1));
  return {
    config: compileConfig(needs, settings, imported),
    table: { version: digest.version(), rows },
  };
}

/** Renders the configuration for what the rows use, with the imported certificates as they are now. */
export function compileConfig(
  needs: NeedsView,
  settings: CompilerSettings,
  imported: ImportedDigests = new Map(),
): CaddyConfig {
  const http = httpApp(needs.ports(), needs.tlsNeeds(), settings);
  const layer4 = layer4App(needs.ports(), needs.tlsNeeds(), settings);
  const pages = errorPagesField(settings.errorPages);
  const render = (version: string): CaddyConfig => ({
    admin: { ...settings.admin, enforce_origin: true, config: { persist: false } },
    logging: settings.logging,
    storage: { module: "file_system", root: `${settings.folder}/data` },
    apps: {
      gatewright: {
        version,
        table_file: `${settings.folder}/table.json`,
        resolver: settings.resolver,
        guard: guardOf(needs.ports(), settings),
        policy_sets: Object.fromEntries(needs.policySets()),
        ...(pages === undefined ? {} : { error_pages: pages }),
      },
      ...(http === undefined ? {} : { http }),
      ...(layer4 === undefined ? {} : { gatewright_layer4: layer4 }),
      ...tlsApps(needs.tlsNeeds(), settings, imported),
    },
  });
  return render(digestOf(render("")));
}
