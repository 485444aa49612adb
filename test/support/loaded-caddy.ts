import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AdminClient, createAdminClient } from "../../src/caddy/admin-client.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import type { CaddyConfig } from "../../src/caddy-json/config.ts";
import type { Table } from "../../src/compiler/row.ts";
import { isGatewrightError } from "../../src/errors.ts";
import { makeCaddyFolder } from "../caddy/caddy-folder.ts";
import type { Compiled } from "./compile.ts";
import { recordingLogger } from "./recording-logger.ts";

/** The real Caddy, without a manager: it runs what a test loads. */
export interface LoadedCaddy extends AsyncDisposable {
  readonly folder: string;
  readonly adminPort: number;
  readonly api: AdminClient;
  /** Loads configuration and host table. */
  serve(compiled: Compiled): Promise<void>;
  /** From here on nobody starts it again when it ends. */
  unwatch(): Promise<void>;
}

export async function startLoadedCaddy(): Promise<LoadedCaddy> {
  const place = await makeCaddyFolder();
  const { folder, adminPort } = place;
  const prepare = async (): Promise<void> => {
    const resolver = { address: "127.0.0.1:9", zone: "hypeman.internal" };
    const gatewright = { version: "none", table_file: join(folder, "table.json"), resolver };
    await writeFile(join(folder, "config.json"), JSON.stringify(place.config({ gatewright })));
    await writeFile(join(folder, "table.json"), JSON.stringify({ version: "none", rows: [] }));
  };
  const caddy = createCaddyProcess({ ...place, logger: recordingLogger(), prepare });
  const api = createAdminClient({ adminUrl: place.adminUrl });
  try {
    await caddy.start();
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
  // A load ends the connections of the admin endpoint; a table may be told twice.
  const replaceTable = (table: Table): Promise<void> =>
    api.replaceTable(table).catch((error: unknown) => {
      if (!isGatewrightError(error, "caddy_unavailable")) throw error;
      return api.replaceTable(table);
    });
  return {
    folder,
    adminPort,
    api,
    async serve({ config, table }) {
      await api.load(config);
      await replaceTable(table);
    },
    unwatch: () => caddy.detach(),
    async [Symbol.asyncDispose]() {
      await api.close();
      await caddy.stop();
      await place[Symbol.asyncDispose]();
    },
  };
}

/**
 * The same configuration with certificates of Caddy's own authority, so that TLS can be spoken without ACME. The
 * authority stays in the folder: nothing is installed in the machine's list of trusted ones.
 */
export function withInternalIssuer(config: CaddyConfig): CaddyConfig {
  const { gatewright_certificates: signed, tls } = config.apps;
  if (tls?.automation === undefined) return config;
  const issuers = [{ module: "internal" }] as const;
  const pki = { certificate_authorities: { local: { install_trust: false } } } as const;
  const policies = [{ ...tls.automation.policies[0], issuers }] as const;
  const authorities = Object.keys(signed?.authorities ?? {}).map((name) => [name, { issuers }] as const);
  return {
    ...config,
    apps: {
      ...config.apps,
      tls: { ...tls, automation: { ...tls.automation, policies } },
      ...(signed === undefined
        ? {}
        : { gatewright_certificates: { ...signed, authorities: Object.fromEntries(authorities) } }),
      pki,
    },
  };
}
