import type { CaddyConfig, StorageConfig } from "../caddy-json/config.ts";
import { errorPagesField } from "../policies/error-pages.ts";
import type { NeedsView } from "./config-needs.ts";
import { digestOf } from "./digest.ts";
import { guardOf } from "./guard.ts";
import { httpApp } from "./http-servers.ts";
import { layer4App } from "./layer4.ts";
import type { CompilerSettings } from "./settings.ts";
import { type ImportedDigests, tlsApps } from "./tls.ts";

/** Renders the configuration for what the rows use, with the imported certificates as they are now. Pure. */
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
    storage: storageOf(settings),
    apps: {
      gatewright: {
        version,
        table_file: `${settings.folder}/table.json`,
        ...(settings.api === undefined ? {} : { reserved_host: settings.api.hostname }),
        resolver: settings.resolver,
        guard: guardOf(needs.ports(), settings),
        ...(pages === undefined ? {} : { error_pages: pages }),
        ...(settings.accessLog === undefined ? {} : { access_log: settings.accessLog }),
        ...(settings.tracing === undefined ? {} : { tracing: settings.tracing }),
      },
      ...(http === undefined ? {} : { http }),
      ...(layer4 === undefined ? {} : { gatewright_layer4: layer4 }),
      ...tlsApps(needs.tlsNeeds(), settings, imported),
    },
  });
  return render(digestOf(render("")));
}

function storageOf({ etcd, folder, gateway }: CompilerSettings): StorageConfig {
  if (etcd === undefined) return { module: "file_system", root: `${folder}/data` };
  const { endpoints, prefix, username, password, ca, cert, key, credentials } = etcd;
  return {
    module: "gatewright_etcd",
    endpoints,
    prefix,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    store_keys_file: etcd.storeKeysFile,
    cache: `${folder}/store-copy`,
    ...(gateway === undefined ? {} : { instance: gateway }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}
