import type { Ingress } from "../model/api.ts";
import type { CaddyConfig } from "./caddy-json.ts";
import { digestOf, TableDigest } from "./digest.ts";
import { httpApp } from "./http-servers.ts";
import type { Table } from "./route.ts";
import { compileRoutes } from "./routes.ts";
import type { CompilerSettings } from "./settings.ts";
import { Structure, type StructureView } from "./structure.ts";
import { tlsApp } from "./tls.ts";

/** What Caddy runs: its configuration and the host table. */
export interface Compiled {
  readonly config: CaddyConfig;
  readonly table: Table;
}

/**
 * Compiles ingresses to Caddy's configuration and host table. Pure: the same ingresses in any order and the same
 * settings give the same result. The manager keeps the parts (routes, structure, digest) up to date row by row;
 * a test holds that both ways agree.
 */
export function compile(ingresses: Iterable<Ingress>, settings: CompilerSettings): Compiled {
  const structure = new Structure();
  const digest = new TableDigest();
  const compiled = [...ingresses].flatMap((ingress) => compileRoutes(ingress, settings));
  for (const one of compiled) {
    structure.add(one);
    digest.add(one.route);
  }
  const routes = compiled.map(({ route }) => route).sort((left, right) => (left.id < right.id ? -1 : 1));
  return { config: compileConfig(structure, settings), table: { version: digest.version(), routes } };
}

/** Renders the configuration for what the routes use. */
export function compileConfig(structure: StructureView, settings: CompilerSettings): CaddyConfig {
  const http = httpApp(structure.ports(), settings);
  const tls = tlsApp(structure.tlsSubjects(), settings);
  const render = (version: string): CaddyConfig => ({
    admin: { ...settings.admin, enforce_origin: true, config: { persist: false } },
    logging: settings.logging,
    storage: { module: "file_system", root: `${settings.folder}/data` },
    apps: {
      gatewright: {
        version,
        table_file: `${settings.folder}/table.json`,
        resolver: settings.resolver,
        guard: settings.guard,
        policy_sets: Object.fromEntries(structure.policySets()),
      },
      ...(http === undefined ? {} : { http }),
      ...(tls === undefined ? {} : { tls }),
    },
  });
  return render(digestOf(render("")));
}
