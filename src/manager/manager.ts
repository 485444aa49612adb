import type { CaddyApi } from "../caddy/caddy-api.ts";
import { policiesOfHandlers } from "../compiler/policy-set.ts";
import { type CompiledRow, compileRows } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ImportedDigests } from "../compiler/tls.ts";
import type { ManagedName, TlsNeed } from "../compiler/tls-needs.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Ingress, IngressRule } from "../model/api.ts";
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
import { FollowedIngresses } from "./followed-ingresses.ts";
import { ingressEvents } from "./ingress-events.ts";
import { IngressService } from "./ingress-service.ts";
import { storedModuleProblems } from "./module-problems.ts";
import { probe } from "./port-probe.ts";
import { Reconciler } from "./reconciler.ts";
import type { CertificateLookup } from "./tls-admission.ts";
import { Writer } from "./writer.ts";

export interface ManagerOptions {
  readonly store: IngressStore;
  readonly resolver: InstanceResolver;
  readonly api: CaddyApi;
  /** Makes what starts Caddy. */
  readonly createHost: (hooks: HostHooks) => CaddyHost;
  readonly compiler: CompilerSettings;
  readonly admission: AdmissionSettings;
  /** What is done when somebody else changes Caddy. Default `repair`. */
  readonly drift?: DriftPolicy;
  /** See `IngressServiceOptions.follows`. */
  readonly follows?: string;
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

/** What the committed and staged ingresses need of TLS; for the module that follows certificates. */
export interface TlsView {
  /** Changes whenever needs come or go. */
  generation(): number;
  /** Changes whenever those of the committed ingresses do. */
  committed(): number;
  /** The names that Caddy gets certificates for, in no order. */
  names(): readonly ManagedName[];
  usesOf(need: TlsNeed): number;
  /** How many rules have their certificate for this name from Caddy. */
  usesOfName(subject: string): number;
  /** Has Caddy load the configuration with the imported certificates as they are now. */
  reload(): Promise<void>;
}

/** What Caddy is to run by what is stored; for those who compare it with what Caddy runs. */
export interface WantedView {
  rowsOf(ingress: Ingress): readonly CompiledRow[];
  /** Which policy each handler of a rule's policy set is of. */
  policiesOfHandlers(rule: IngressRule): readonly string[];
  /** Version of the host table. */
  tableVersion(): string;
  /** Ports that cannot be bound, with the reason. */
  leftOut(): ReadonlyMap<number, GatewrightError>;
}

/** A manager that runs, and what stops it. */
export interface RunningManager {
  readonly ingresses: IngressService;
  /** For the part that follows another Gatewright. */
  readonly followed: FollowedIngresses;
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
  const { certificates, compiler, logger, resolver, store, track = untracked } = options;
  const snapshot = await store.open();
  const { catalog, problems: damages } = fillCatalog(snapshot, compiler, logger);
  const problems = [...damages, ...reportLackingModules(catalog, compiler, logger)];
  const turns = new SerialQueue();
  const reconciler = createReconciler(options, catalog, turns);
  const isProgrammed = programmed(reconciler, compiler);
  const { events = noEvents } = options;
  const writer = new Writer({
    catalog,
    store,
    reconciler,
    turns,
    revision: snapshot.revision,
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
  await reconciler.start(
    options.createHost({
      prepare: (takesOver) => reconciler.prepare(takesOver),
      started: () => reconciler.noteStart(),
      ended: () => reconciler.noteEnd(),
      alone: (work) => turns.run(work),
    }),
  );
  writer.follow();
  const admission = new Admission({
    catalog,
    compiler,
    reconciler,
    resolver,
    settings: options.admission,
    ...(certificates === undefined ? {} : { certificates }),
  });
  const follows = options.follows === undefined ? {} : { follows: options.follows };
  return {
    ingresses: new IngressService({
      admission,
      catalog,
      compiler,
      reconciler,
      store,
      writer,
      problems,
      ...follows,
    }),
    followed: new FollowedIngresses({ admission, catalog, writer }),
    conditions: managerConditions(reconciler, compiler),
    tls: tlsView(catalog, reconciler),
    wanted: {
      rowsOf: (ingress) => compileRows(ingress, compiler),
      policiesOfHandlers: (rule) => policiesOfHandlers(rule, compiler),
      tableVersion: () => catalog.committedVersion,
      leftOut: () => reconciler.leftOut,
    },
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
  const { track = untracked } = options;
  const files = new CaddyFiles(compiler.folder);
  const imported = certificates === undefined ? {} : { imported: () => certificates.digests() };
  return new Reconciler({
    api,
    catalog,
    compiler,
    drift,
    events,
    feeds,
    files,
    logger,
    probe,
    track,
    turns,
    ...imported,
  });
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

function tlsView(catalog: Catalog, reconciler: Reconciler): TlsView {
  const { needs } = catalog;
  return {
    generation: () => needs.tlsGeneration,
    committed: () => catalog.committedTls,
    names: () => needs.managedNames(),
    usesOf: (need) => needs.usesOf(need),
    usesOfName: (subject) => needs.usesOfName(subject),
    reload: () => reconciler.reloadCertificates(),
  };
}
