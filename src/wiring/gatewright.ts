import { join } from "node:path";
import type { ImportStep } from "../archive/import-step.ts";
import { type Config, choosePorts } from "../config.ts";
import { type DnsServer, startDnsServer } from "../dns/server.ts";
import type { RootLogger } from "../log.ts";
import type { ApplyStep } from "../manager/apply-step.ts";
import { startManager } from "../manager/manager.ts";
import type { EventSink } from "../model/event.ts";
import { ensurePrivateFolder, removeLeftovers } from "../store/durable.ts";
import { type ControlMetrics, createControlMetrics } from "../telemetry/control-metrics.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";
import { traceWork } from "../telemetry/trace-work.ts";
import { type Track, untracked } from "../util/track.ts";
import { admissionSettings } from "./admission-settings.ts";
import { listenForCalls } from "./api.ts";
import { openArchive } from "./archive.ts";
import { type Caddy, openCaddy } from "./caddy.ts";
import { followCertificates, openCertificates } from "./certificates.ts";
import { caddyFolder, compilerSettings } from "./compiler-settings.ts";
import { writeDataFormat } from "./data-format.ts";
import { createDocumentChecks, type DocumentChecks } from "./document-checks.ts";
import { readErrorPages } from "./error-pages.ts";
import { openEvents } from "./events.ts";
import { startFollower } from "./follower.ts";
import { registerGateway } from "./gateways.ts";
import { openIngresses } from "./ingresses.ts";
import { createInstances, type Instances } from "./instances.ts";
import { openJwts } from "./jwts.ts";
import { openOtlp } from "./otlp.ts";
import { ownListeners } from "./own-ports.ts";
import type { PrefetchedFolders } from "./prefetched-folders.ts";
import { type LiveConfig, renewSettings } from "./reload.ts";
import { openSharedStore, type SharedStore } from "./shared-store.ts";
import { startedEvent } from "./started-event.ts";
import { createTargets } from "./targets.ts";
import { openTokens } from "./tokens.ts";

export interface GatewrightOptions {
  readonly config: Config;
  readonly logger: RootLogger;
  readonly version: string;
  /** What was begun before. Default: nothing. */
  readonly prefetched?: PrefetchedFolders;
  /** Where the lines of a long first start go. */
  readonly progress: (line: string) => void;
  /** Runs each change and each step of it, for crash tests. Default: they are counted alone. */
  readonly track?: Track<ApplyStep | ImportStep>;
}

/** A Gatewright that serves. */
export interface Gatewright {
  /** The settings in force, open ports chosen. */
  readonly config: Config;
  /** Takes the secrets and log levels of these settings; see `renewSettings`. */
  renew(next: Config): Promise<void>;
  /** Waits for what is under way; Caddy ends too with CADDY_STOP_ON_SHUTDOWN. */
  stop(): Promise<void>;
}

/** Has a part that was started be closed in its turn. */
type Started = <Part extends { close(): Promise<unknown> }>(part: Part) => Part;

/** Starts everything in the order in which it depends on each other, and stops it in the reverse one. */
export async function startGatewright(options: GatewrightOptions): Promise<Gatewright> {
  const { logger, progress, version } = options;
  await using stack = new AsyncDisposableStack();
  const started: Started = (part) => {
    stack.defer(async () => void (await part.close()));
    return part;
  };
  await ensurePrivateFolder(options.config.dataDir);
  const events = started(await openEvents(options.config, logger.child("events")));
  const config = await choosePorts(options.config);
  const live: LiveConfig = { config };
  const otlp = await openOtlp(config, logger, version);
  stack.defer(async () => otlp?.close());
  if (config.api.hostname !== undefined) await ensurePrivateFolder(caddyFolder(config));
  const api = started(await listenForCalls(config));
  const errorPages = await readErrorPages(config.caddy.errorPagesDir);
  const documentChecks = createDocumentChecks(admissionSettings(config).ports);
  const metrics = createControlMetrics();
  const shared = await openSharedStore(config, events, logger.child("store"));
  stack.defer(async () => shared?.close());
  const gateways = started(await registerGateway(config, shared, version));
  const common = { config, documentChecks, events, metrics, shared };
  const { dns, instances } = await startInstances(options, common, started);
  const caddy = started(await openCaddy({ config, events, logger: logger.child("caddy"), progress }));
  const imported = await openCertificates(config, logger.child("certificates"), common);
  const store = openIngresses({ ...options, ...common, imported });
  const { resolver, wake } = instances;
  const targets = started(
    await createTargets(config, shared, { ingresses: store, resolver, api: caddy.api, wake, events, logger }),
  );
  const manager = await startManager({
    ...managerSettings(options, config, caddy, { metrics, otlp }),
    admission: { ...admissionSettings(config), canWake: wake !== undefined },
    compiler: { ...compilerSettings(config, () => live.config), modules: caddy.modules, errorPages },
    events,
    store,
    resolver,
    feeds: targets.feeds,
    certificates: imported,
    confirmReferences: async () => {
      await instances.registry?.confirm();
      await imported.confirm();
    },
  });
  stack.defer(() => manager.stop());
  gateways.tellOf(manager.ingresses);
  // The process that holds the store is the only one to write here.
  await writeDataFormat(config.dataDir, version);
  for (const folder of ["", "caddy", "caddy/certificates"])
    await removeLeftovers(join(config.dataDir, folder));
  targets.follow(manager.ingresses.list());
  const follower = startFollower(config, manager, logger.child("follow"));
  stack.defer(() => follower?.stop());
  const served = { api: caddy.api, events, manager, imported, resolver, store };
  const certificates = started(
    await followCertificates({ config, logger: logger.child("certificates"), ...served }),
  );
  const tokens = started(await openTokens(config, { events, logger: logger.child("api"), shared }));
  const archive = await openArchive(
    config,
    { ingresses: manager.ingresses, registry: instances.registry, targets, imported, tokens },
    { logger: logger.child("store"), track: options.track, version },
  );
  const jwts = started(openJwts(config, logger.child("api"))).verifier;
  const parts = {
    archive,
    instances,
    jwts,
    tokens,
    dns,
    targets,
    manager,
    certificates,
    follower,
    gateways,
    settings: () => live.config,
    shared,
    events,
    otlp,
    version,
  };
  events.emit(await startedEvent(config, version));
  await api.serve(config, {
    caddy: caddy.api,
    caddyLog: caddy.log,
    draining: caddy.draining,
    registry: metrics.registry,
    ...parts,
    logger: logger.child("api"),
  });
  const running = stack.move();
  const stop = async (): Promise<void> => {
    events.emit({ type: "gateway.stopping", message: "Gatewright is stopping" });
    // At once: a question to `/ready` after the signal must not be answered by the process that ends.
    const closed = api.close();
    await running.disposeAsync();
    await closed;
  };
  const renewed = { live, logger, jwts, instances, follower, caddy, manager, otlp, shared };
  return { config, renew: (next) => renewSettings(next, renewed), stop };
}

/** What the parts of the start have in common. */
interface Common {
  readonly config: Config;
  readonly documentChecks: DocumentChecks;
  readonly events: EventSink;
  readonly metrics: ControlMetrics;
  readonly shared: SharedStore | undefined;
}

/** Starts the source of instances and the DNS server that answers for it. */
async function startInstances(
  { logger, prefetched }: GatewrightOptions,
  { config, documentChecks, events, metrics, shared }: Common,
  started: Started,
): Promise<{ readonly instances: Instances; readonly dns: DnsServer }> {
  const how = { documentCheck: documentChecks.instances, prefetched: prefetched?.instances };
  const instances = createInstances(config, {
    logger: logger.child("instances"),
    events,
    metrics,
    how,
    shared,
  });
  const { resolver } = instances;
  await resolver.start();
  started(resolver);
  const settings = { ...config.dns, resolver, observe: metrics.dns };
  const dns = started(await startDnsServer({ ...settings, logger: logger.child("dns") }));
  return { instances, dns };
}

/** What of the settings the manager and its Caddy are made with. */
function managerSettings(
  { logger, track = untracked }: GatewrightOptions,
  config: Config,
  { api, createHost }: Caddy,
  { metrics, otlp }: { readonly metrics: ControlMetrics; readonly otlp: Otlp | undefined },
) {
  const { drift, follow } = config.caddy;
  const traced = otlp === undefined ? untracked : traceWork(otlp.tracing, "apply");
  const all: Track<ApplyStep> = (step, run, size) =>
    track(step, () => traced(step, () => metrics.applies(step, run, size), size));
  return {
    api,
    createHost,
    drift,
    logger: logger.child("ingress"),
    ownListeners: ownListeners(config),
    track: all,
    ...(follow === undefined ? {} : { follows: follow.url }),
  };
}
