import type { CaddyApi } from "../caddy/caddy-api.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ImportedDigests } from "../compiler/tls.ts";
import type { TlsNeed } from "../compiler/tls-needs.ts";
import type { Logger } from "../log.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { StatusContributor } from "../status/condition.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { Admission, type AdmissionSettings } from "./admission.ts";
import { Applier } from "./applier.ts";
import { CaddyFiles } from "./caddy-files.ts";
import { managerConditions } from "./conditions.ts";
import { ConfigRenderer } from "./config-renderer.ts";
import { fillCatalog } from "./fill-catalog.ts";
import { FollowedIngresses } from "./followed-ingresses.ts";
import { IngressService } from "./ingress-service.ts";
import { type Feed, Keeper } from "./keeper.ts";
import { storedModuleProblems } from "./module-problems.ts";
import { probe } from "./port-probe.ts";
import type { CertificateLookup } from "./tls-admission.ts";
import { Writer, type WriterStep } from "./writer.ts";

/** The Caddy process, as far as the manager has to do with it. */
export interface CaddyHost {
  /** Adopts a running Caddy, or starts one after `prepare` has written its files. */
  start(): Promise<unknown>;
  /** Rejects with `caddy_unavailable` when Caddy does not run after the time given. */
  whenRunning(timeoutMs: number): Promise<void>;
}

export interface ManagerOptions {
  readonly store: IngressStore;
  readonly resolver: InstanceResolver;
  readonly api: CaddyApi;
  /** Makes the host; `prepare` must run before each start of a process, `started` after it answers. */
  readonly createHost: (hooks: { prepare: () => Promise<void>; started: () => void }) => CaddyHost;
  readonly compiler: CompilerSettings;
  readonly admission: AdmissionSettings;
  /** See `IngressServiceOptions.follows`. */
  readonly follows?: string;
  /** Started once Caddy runs. */
  readonly feeds: readonly Feed[];
  readonly logger: Logger;
  /** Imported certificates. Default: none. */
  readonly certificates?: CertificateLookup & { digests(): ImportedDigests };
  /** See `WriterOptions.onStep`. */
  readonly onStep?: (step: WriterStep) => void | Promise<void>;
}

/** What of TLS the committed and staged ingresses need, for whoever follows certificates. */
export interface TlsView {
  /** Changes whenever needs come or go. */
  generation(): number;
  needs(): readonly TlsNeed[];
  usesOf(need: TlsNeed): number;
  /** How many rules have their certificate for this name from Caddy. */
  usesOfName(subject: string): number;
  /** New names wait while the test says that orders are under way, since a reload would end these. */
  holdNamesWhile(test: () => boolean): void;
  /** Has Caddy load the configuration with the imported certificates as they are now. */
  reload(): Promise<void>;
}

/** A manager that runs, and what stops it. */
export interface RunningManager {
  readonly ingresses: IngressService;
  /** For who follows another Gatewright. */
  readonly followed: FollowedIngresses;
  /** `Accepted` and `Programmed`. */
  readonly conditions: readonly StatusContributor[];
  readonly tls: TlsView;
  stop(): Promise<void>;
}

function joinFeeds(feeds: readonly Feed[]): Feed {
  return {
    start: () => {
      for (const feed of feeds) feed.start();
    },
    flush: () => {
      for (const feed of feeds) feed.flush();
    },
    stop: () => {
      for (const feed of feeds) feed.stop();
    },
  };
}

/**
 * Wires the parts of the manager, fills the catalog from the store, brings up Caddy and has it serve what is stored.
 * Rejects when the store cannot be read or Caddy cannot be started.
 */
export async function startManager(options: ManagerOptions): Promise<RunningManager> {
  const { api, certificates, compiler, logger, resolver, store } = options;
  const snapshot = await store.open();
  const { catalog, problems: damages } = fillCatalog(snapshot, compiler, logger);
  const lacking = storedModuleProblems(catalog.list(), compiler);
  for (const message of lacking) logger.error(message, { code: "module_missing" });
  const problems = [...damages, ...lacking];
  const files = new CaddyFiles(compiler.folder);
  const renderer = new ConfigRenderer({
    settings: compiler,
    structure: catalog.structure,
    probe,
    save: (config) => files.writeConfig(config),
    logger,
    ...(certificates === undefined ? {} : { imported: () => certificates.digests() }),
  });
  const host: CaddyHost = options.createHost({
    prepare: () => keeper.prepare(),
    started: () => keeper.noteRestart(),
  });
  const applier = new Applier({ api, whenRunning: (timeoutMs) => host.whenRunning(timeoutMs), logger });
  const writer: Writer = new Writer({
    catalog,
    store,
    applier,
    renderer,
    logger,
    revision: snapshot.revision,
    afterBatch: () => keeper.tidySoon(),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  });
  const feed = joinFeeds(options.feeds);
  const keeper: Keeper = new Keeper({
    api,
    applier,
    catalog,
    compiler,
    feed,
    files,
    logger,
    renderer,
    writer,
  });
  await host.start();
  await keeper.begin();
  const admission = new Admission({
    catalog,
    compiler,
    renderer,
    resolver,
    settings: options.admission,
    ...(certificates === undefined ? {} : { certificates }),
  });
  const ingresses = new IngressService({
    admission,
    catalog,
    keeper,
    writer,
    problems,
    ...(options.follows === undefined ? {} : { follows: options.follows }),
  });
  return {
    ingresses,
    followed: new FollowedIngresses({ admission, catalog, writer }),
    conditions: managerConditions(keeper, renderer, compiler),
    tls: {
      generation: () => catalog.structure.needsGeneration,
      needs: () => catalog.structure.tlsNeeds(),
      usesOf: (need) => catalog.structure.usesOf(need),
      usesOfName: (subject) => catalog.structure.usesOfName(subject),
      holdNamesWhile: (test) => keeper.holdNamesWhile(test),
      reload: () => {
        renderer.certificatesChanged();
        return writer.exclusively(() => keeper.restoreNow());
      },
    },
    stop: async () => {
      await writer.close();
      keeper.stop();
      await store.close();
    },
  };
}
