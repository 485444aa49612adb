import type { CaddyApi } from "../caddy/caddy-api.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ImportedDigests } from "../compiler/tls.ts";
import type { Logger } from "../log.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { StatusContributor } from "../status/condition.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import { type Track, untracked } from "../util/track.ts";
import { Admission, type AdmissionSettings } from "./admission.ts";
import type { ApplyStep } from "./apply-step.ts";
import { CaddyFiles } from "./caddy-files.ts";
import type { CaddyHealth, CaddyHost, Feed, HostHooks } from "./caddy-host.ts";
import type { DriftPolicy } from "./caddy-watch.ts";
import type { Catalog } from "./catalog.ts";
import { managerConditions, programmed } from "./conditions.ts";
import { fillCatalog } from "./fill-catalog.ts";
import { ingressEvents } from "./ingress-events.ts";
import { IngressService } from "./ingress-service.ts";
import { storedModuleProblems } from "./module-problems.ts";
import { type OwnListener, probe } from "./port-probe.ts";
import { Reconciler } from "./reconciler.ts";
import type { CertificateLookup } from "./tls-admission.ts";
import { type TlsView, tlsView, type WantedView, wantedView } from "./views.ts";
import { Writer, type WriterOptions } from "./writer.ts";

export interface ManagerOptions {
  readonly store: IngressStore;
  readonly resolver: InstanceResolver;
  readonly api: CaddyApi;
  /** Makes what starts Caddy. */
  readonly createHost: (hooks: HostHooks) => CaddyHost;
  readonly compiler: CompilerSettings;
  readonly admission: AdmissionSettings;
  /** Where Gatewright itself listens. Default: not told apart from other processes. */
  readonly ownListeners?: readonly OwnListener[];
  /** What is done when somebody else changes Caddy. Default `repair`. */
  readonly drift?: DriftPolicy;
  /** See `CaddyWatchOptions.intervalMs`. */
  readonly watchIntervalMs?: number;
  /** See `IngressServiceOptions.confirmReferences`. */
  readonly confirmReferences?: () => Promise<void>;
  /** Started once Caddy runs. */
  readonly feeds: readonly Feed[];
  /** Hears what happens to ingresses. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
  /** Imported certificates. Default: none. */
  readonly certificates?: CertificateLookup & { digests(): ImportedDigests };
  /** Runs each change and each step of it. Default: nothing is noted. */
  readonly track?: Track<ApplyStep>;
}

/** A manager that runs, and what stops it. */
export interface RunningManager {
  readonly ingresses: IngressService;
  /** `Accepted` and `Programmed`. */
  readonly conditions: readonly StatusContributor[];
  readonly tls: TlsView;
  readonly wanted: WantedView;
  /** How Caddy is. */
  caddyHealth(): CaddyHealth;
  /** How many changes wait for the batch under way. */
  waitingChanges(): number;
  stop(): Promise<void>;
}

/**
 * Wires the parts of the manager, fills the catalog from the store, brings up Caddy and has it serve what is stored.
 * Rejects when the store cannot be read or Caddy cannot be started.
 */
export async function startManager(options: ManagerOptions): Promise<RunningManager> {
  const { certificates, compiler, logger, resolver, store } = options;
  const snapshot = await store.open();
  const { catalog, problems: damages } = fillCatalog(snapshot, compiler, logger);
  const problems = [...damages, ...reportLackingModules(catalog, compiler, logger)];
  const turns = new SerialQueue();
  const reconciler = createReconciler(options, catalog, turns);
  const writer = createWriter(options, { catalog, reconciler, turns, revision: snapshot.revision });
  await reconciler.start(options.createHost(hooks(reconciler, turns)));
  writer.follow();
  const admission = new Admission({
    catalog,
    certificates,
    compiler,
    reconciler,
    resolver,
    settings: options.admission,
  });
  const parts = {
    admission,
    catalog,
    compiler,
    confirmReferences: options.confirmReferences,
    problems,
    reconciler,
    store,
    writer,
  };
  return {
    ingresses: new IngressService(parts),
    conditions: managerConditions(reconciler, compiler),
    tls: tlsView(catalog, reconciler),
    wanted: wantedView(catalog, reconciler, compiler),
    caddyHealth: () => reconciler.health(),
    waitingChanges: () => writer.waiting,
    stop: async () => {
      await writer.close();
      reconciler.stop();
      await store.close();
    },
  };
}

function createReconciler(options: ManagerOptions, catalog: Catalog, turns: SerialQueue): Reconciler {
  const { api, certificates, compiler, drift = "repair", events = noEvents, feeds, logger } = options;
  const { ownListeners, track = untracked, watchIntervalMs } = options;
  const files = new CaddyFiles(compiler.folder);
  const imported = certificates && (() => certificates.digests());
  return new Reconciler({
    api,
    catalog,
    compiler,
    drift,
    events,
    feeds,
    files,
    imported,
    logger,
    probe: (listener) => probe(listener, ownListeners),
    track,
    turns,
    watchIntervalMs,
  });
}

function createWriter(
  { compiler, events = noEvents, logger, store, track = untracked }: ManagerOptions,
  parts: Pick<WriterOptions, "catalog" | "revision" | "turns"> & { readonly reconciler: Reconciler },
): Writer {
  const isProgrammed = programmed(parts.reconciler, compiler);
  return new Writer({
    ...parts,
    store,
    onCommit: (commits) => {
      for (const event of ingressEvents(commits, isProgrammed)) events.emit(event);
    },
    onSetAside: ({ id, problems: [first] }) =>
      logger.error(`ingress ${id}, made at another gateway, is set aside here and not served`, {
        code: first?.code,
        reason: first?.message,
      }),
    track,
  });
}

/** What the host of Caddy's process tells and asks of the manager. */
function hooks(reconciler: Reconciler, turns: SerialQueue): HostHooks {
  return {
    prepare: (takesOver) => reconciler.prepare(takesOver),
    started: () => reconciler.noteStart(),
    ended: () => reconciler.noteEnd(),
    alone: (work) => turns.run(work),
  };
}

function reportLackingModules(
  catalog: Catalog,
  compiler: CompilerSettings,
  logger: Logger,
): readonly string[] {
  const lacking = storedModuleProblems(catalog.list(), compiler);
  for (const message of lacking) logger.error(message, { code: "module_missing" });
  return lacking;
}
