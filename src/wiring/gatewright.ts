import { join } from "node:path";
import { adminAddress } from "../caddy/admin-address.ts";
import { createAdminClient } from "../caddy/admin-client.ts";
import { obtainCaddy } from "../caddy/binary.ts";
import { createCaddyProcess } from "../caddy/process.ts";
import { type Config, settlePorts } from "../config.ts";
import { startDnsServer } from "../dns/server.ts";
import { createApp } from "../http/app.ts";
import { createHttpServer } from "../http/server.ts";
import { startingApp } from "../http/starting.ts";
import type { Logger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import { startManager } from "../manager/manager.ts";
import type { WriterStep } from "../manager/writer.ts";
import { ensurePrivateFolder, writeDurably } from "../store/durable.ts";
import { openFileStore } from "../store/file-store.ts";
import { admissionSettings } from "./admission-settings.ts";
import { caddyFolder, cloudflareTokenPath, compilerSettings } from "./compiler-settings.ts";
import { createInstances } from "./instances.ts";

export interface GatewrightOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
  /** Where the lines of a long first start go. */
  readonly progress: (line: string) => void;
  /** For crash tests; see `WriterOptions.onStep`. */
  readonly onStep?: (step: WriterStep) => void | Promise<void>;
}

/** A Gatewright that serves. */
export interface Gatewright {
  /** The settings in force, open ports chosen. */
  readonly config: Config;
  /** Waits for what is under way; Caddy ends too with CADDY_STOP_ON_SHUTDOWN. */
  stop(): Promise<void>;
}

/** Starts everything in the order in which it depends on each other, and stops it in the reverse one. */
export async function startGatewright(options: GatewrightOptions): Promise<Gatewright> {
  const { logger } = options;
  await using stack = new AsyncDisposableStack();
  await ensurePrivateFolder(options.config.dataDir);
  const config = await settlePorts(options.config);

  let app = startingApp;
  const server = createHttpServer((request, response) => app(request, response));
  await server.listen(config.api.address, config.api.port);
  stack.defer(() => server.close());

  const { resolver, registry } = createInstances(config, logger.child("instances"));
  await resolver.start();
  stack.defer(() => resolver.close());
  const dns = await startDnsServer({ ...config.dns, resolver, logger: logger.child("dns") });
  stack.defer(() => dns.close());

  const folder = caddyFolder(config);
  await ensurePrivateFolder(folder);
  const token = config.tls.acme?.dns?.token;
  if (token !== undefined) await writeDurably(cloudflareTokenPath(config), token.reveal());
  const binary = await obtainCaddy({
    dataDir: config.dataDir,
    sourceDir: join(import.meta.dirname, "../../caddy"),
    caddyBin: config.caddy.bin,
    environment: config.toolEnvironment,
    progress: options.progress,
  });
  const secrets = config.secrets.map((secret) => secret.reveal());
  const { adminAddress: address, adminPort } = config.caddy;
  const adminUrl = address.startsWith("unix/") ? address : adminAddress(address, adminPort).url;
  const api = createAdminClient({ adminUrl, secrets, folders: [config.dataDir] });
  stack.defer(() => api.close());

  const ports = admissionSettings(config).ports;
  const manager = await startManager({
    store: openFileStore({
      folder: join(config.dataDir, "ingresses"),
      validate: (value) => readStoredIngress(value, ports),
    }),
    resolver,
    api,
    createHost: ({ prepare, started }) => {
      const environment = config.caddy.environment;
      const host = createCaddyProcess({
        binary: binary.path,
        folder,
        adminUrl,
        prepare,
        environment,
        secrets,
        logger: logger.child("caddy"),
      });
      host.on("started", started);
      stack.defer(() => (config.caddy.stopOnShutdown ? host.stop() : host.detach()));
      return host;
    },
    compiler: compilerSettings(config),
    admission: admissionSettings(config),
    logger: logger.child("ingress"),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  });
  stack.defer(() => manager.stop());

  app = createApp({
    manager: manager.ingresses,
    resolver,
    ...(registry === undefined ? {} : { registry }),
    auth: config.api.secret === undefined ? {} : { secret: config.api.secret.reveal() },
    allowedHosts: [config.api.address, ...config.api.allowedHosts],
    logger: logger.child("api"),
    version: options.version,
  });
  const running = stack.move();
  return { config, stop: () => running.disposeAsync() };
}
