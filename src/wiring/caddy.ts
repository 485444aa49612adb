import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { adminAddress } from "../caddy/admin-address.ts";
import { type AdminClient, createAdminClient } from "../caddy/admin-client.ts";
import { type CaddyBinary, obtainCaddy } from "../caddy/binary.ts";
import { forwardCaddyLog } from "../caddy/log-forwarder.ts";
import { createCaddyProcess } from "../caddy/process.ts";
import { type DrainingCaddy, findDraining } from "../caddy/running-caddy.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import type { ManagerOptions } from "../manager/manager.ts";
import { ensurePrivateFolder, PRIVATE_FILE_MODE, writeDurably } from "../store/durable.ts";
import { caddyFolder, secretFiles } from "./compiler-settings.ts";

export interface CaddyOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Where the lines of a long first start go. */
  readonly progress: (line: string) => void;
}

/** The Caddy of this process before it is started: its program, its folder, and the way to it. */
export interface Caddy {
  readonly api: AdminClient;
  readonly modules: CaddyBinary["modules"];
  readonly createHost: ManagerOptions["createHost"];
  /** Processes that were replaced and finish what they have. */
  draining(): readonly DrainingCaddy[];
  /** Stops or leaves Caddy, as CADDY_STOP_ON_SHUTDOWN says. */
  close(): Promise<void>;
}

/** Obtains the program, which a first start builds, and makes the folder with the secrets that Caddy reads. */
export async function openCaddy({ config, logger, progress }: CaddyOptions): Promise<Caddy> {
  await using stack = new AsyncDisposableStack();
  const folder = caddyFolder(config);
  await ensurePrivateFolder(folder);
  await ensurePrivateFolder(join(folder, "data"));
  for (const { path, secret } of secretFiles(config)) await keepSecret(path, secret.reveal());
  const binary = await obtainCaddy({
    dataDir: config.dataDir,
    sourceDir: join(import.meta.dirname, "../../caddy"),
    caddyBin: config.caddy.bin,
    environment: config.toolEnvironment,
    progress,
  });
  const secrets = config.secrets.map((secret) => secret.reveal());
  const adminUrl = adminUrlOf(config);
  const api = createAdminClient({ adminUrl, secrets, folders: [config.dataDir] });
  stack.defer(() => api.close());
  const forwarder = await forwardCaddyLog({ folder, logger, secrets });
  stack.defer(() => forwarder.close());
  const { environment, stopOnShutdown } = config.caddy;
  const running = stack.move();
  return {
    api,
    modules: binary.modules,
    createHost: ({ prepare, started, ended }) => {
      const host = createCaddyProcess({
        binary: binary.path,
        folder,
        adminUrl,
        prepare,
        environment,
        secrets,
        logger,
        drain: config.caddy.drainTimeout.text,
      });
      host
        .on("started", () => api.renew())
        .on("started", started)
        .on("exited", ended);
      running.defer(() => (stopOnShutdown ? host.stop() : host.detach()));
      return host;
    },
    draining: () => findDraining({ binary: binary.path, folder }),
    close: () => running.disposeAsync(),
  };
}

/** Leaves a file alone that says so already: a full disk could not take it. */
async function keepSecret(path: string, text: string): Promise<void> {
  const known = await readFile(path, "utf8").catch(() => undefined);
  if (known === text) await chmod(path, PRIVATE_FILE_MODE);
  else await writeDurably(path, text);
}

function adminUrlOf({ caddy }: Config): string {
  const { adminAddress: address, adminPort } = caddy;
  return adminPort === undefined ? address : adminAddress(address, adminPort).url;
}
