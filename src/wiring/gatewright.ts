import { join } from "node:path";
import { adminAddress } from "../caddy/admin-address.ts";
import { createAdminClient } from "../caddy/admin-client.ts";
import { obtainCaddy } from "../caddy/binary.ts";
import { forwardCaddyLog } from "../caddy/log-forwarder.ts";
import { createCaddyProcess } from "../caddy/process.ts";
import { type Config, settlePorts } from "../config.ts";
import { startDnsServer } from "../dns/server.ts";
import { createApp } from "../http/app.ts";
import { createHttpServer } from "../http/server.ts";
import { startingApp } from "../http/starting.ts";
import type { Logger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import { Follower } from "../manager/follower.ts";
import type { Readiness } from "../manager/ingress-manager.ts";
import { startManager } from "../manager/manager.ts";
import type { WriterStep } from "../manager/writer.ts";
import { WriterRecord } from "../manager/writer-record.ts";
import { StatusBoard } from "../status/status-board.ts";
import { targetsReachable, withConnections } from "../status/streams.ts";
import { ensurePrivateFolder, writeDurably } from "../store/durable.ts";
import { openFileStore } from "../store/file-store.ts";
import { storeId } from "../store/store-id.ts";
import { targetsResolved } from "../targets/target-report.ts";
import { admissionSettings } from "./admission-settings.ts";
import { followCertificates, openCertificates } from "./certificates.ts";
import { createCheckers } from "./checkers.ts";
import { caddyFolder, compilerSettings, secretFiles } from "./compiler-settings.ts";
import { readErrorPages } from "./error-pages.ts";
import { createInstances } from "./instances.ts";
import type { PreparedFolders } from "./prepared-folders.ts";
import { createTargets } from "./targets.ts";
import { createTelemetry } from "./telemetry.ts";

export interface GatewrightOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
  /** What was begun before. Default: nothing. */
  readonly prepared?: PreparedFolders;
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

  const errorPages = await readErrorPages(config.caddy.errorPagesDir);
  const ports = admissionSettings(config).ports;
  const checkers = createCheckers(ports);
  const { resolver, registry, wake } = createInstances(config, logger.child("instances"), {
    checker: checkers.instances,
    prepared: options.prepared?.instances,
  });
  await resolver.start();
  stack.defer(() => resolver.close());
  const dns = await startDnsServer({ ...config.dns, resolver, logger: logger.child("dns") });
  stack.defer(() => dns.close());

  const folder = caddyFolder(config);
  await ensurePrivateFolder(folder);
  await ensurePrivateFolder(join(folder, "data"));
  for (const { path, secret } of secretFiles(config)) await writeDurably(path, secret.reveal());
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
  const forwarder = await forwardCaddyLog({ folder, logger: logger.child("caddy"), secrets });
  stack.defer(() => forwarder.close());

  const imported = await openCertificates(config, logger.child("certificates"));
  const store = openFileStore({
    folder: join(config.dataDir, "ingresses"),
    checker: checkers.ingresses,
    prepared: options.prepared?.ingresses,
    validate: (value) => readStoredIngress(value, ports),
    onBackgroundError: ({ message }) => logger.child("store").warn(message),
  });
  const targets = await createTargets(config, { ingresses: store, resolver, api, wake, logger });
  stack.defer(() => targets.close());
  const manager = await startManager({
    store,
    resolver,
    api,
    feeds: targets.feeds,
    certificates: imported,
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
    compiler: { ...compilerSettings(config), modules: binary.modules, errorPages },
    admission: { ...admissionSettings(config), canWake: wake !== undefined },
    ...(config.caddy.follow === undefined ? {} : { follows: config.caddy.follow.url }),
    logger: logger.child("ingress"),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  });
  stack.defer(() => manager.stop());
  targets.follow(manager.ingresses.list());
  const { follow } = config.caddy;
  let follower: Follower | undefined;
  if (follow !== undefined) {
    follower = new Follower({
      url: follow.url,
      ...(follow.writer === undefined ? {} : { writer: follow.writer }),
      record: new WriterRecord(join(config.dataDir, "followed.json")),
      ...(follow.token === undefined ? {} : { token: follow.token.reveal() }),
      intervalMs: follow.interval.ms,
      read: (value) => readStoredIngress(value, ports),
      ingresses: manager.followed,
      logger: logger.child("follow"),
    });
    follower.start();
    stack.defer(() => follower?.stop());
  }

  const certificates = await followCertificates({
    config,
    logger: logger.child("certificates"),
    api,
    manager,
    imported,
    resolver,
    store,
  });
  stack.defer(() => certificates.close());

  const status = new StatusBoard({
    contributors: [...manager.conditions, targetsResolved, targetsReachable, certificates.condition],
    rules: withConnections(targets.report, () => api.streams()),
  });
  const readiness = (): Readiness => {
    const { ready, reasons } = manager.ingresses.ready();
    return { ready, reasons: [...reasons, ...(follower?.reasons() ?? [])] };
  };
  app = createApp({
    manager: manager.ingresses,
    storeId: await storeId(join(config.dataDir, "ingresses")),
    readiness,
    resolver,
    status,
    traffic: targets.traffic,
    certificates,
    telemetry: createTelemetry({
      api,
      manager,
      readiness,
      report: certificates.report,
      version: options.version,
    }),
    ...(registry === undefined ? {} : { registry }),
    auth: config.api.secret === undefined ? {} : { secret: config.api.secret.reveal() },
    allowedHosts: [config.api.address, ...config.api.allowedHosts],
    logger: logger.child("api"),
    version: options.version,
  });
  const running = stack.move();
  return {
    config,
    stop: async () => {
      // At once: who asks `/ready` after the signal must not take what ends for what comes after it.
      const closed = server.close();
      await running.disposeAsync();
      await closed;
    },
  };
}
