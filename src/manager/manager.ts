import type { CaddyApi } from "../caddy/caddy-api.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Logger } from "../log.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { AddressFeed } from "./address-feed.ts";
import { Admission, type AdmissionSettings } from "./admission.ts";
import { Applier } from "./applier.ts";
import { CaddyFiles } from "./caddy-files.ts";
import { Catalog } from "./catalog.ts";
import { ConfigRenderer } from "./config-renderer.ts";
import { fillCatalog } from "./fill-catalog.ts";
import { IngressService } from "./ingress-service.ts";
import { Keeper } from "./keeper.ts";
import { probePort } from "./port-probe.ts";
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
  readonly logger: Logger;
  /** See `WriterOptions.onStep`. */
  readonly onStep?: (step: WriterStep) => void | Promise<void>;
}

/** A manager that runs, and what stops it. */
export interface RunningManager {
  readonly ingresses: IngressService;
  stop(): Promise<void>;
}

/**
 * Wires the parts of the manager, fills the catalog from the store, brings up Caddy and has it serve what is stored.
 * Rejects when the store cannot be read or Caddy cannot be started.
 */
export async function startManager(options: ManagerOptions): Promise<RunningManager> {
  const { api, compiler, logger, resolver, store } = options;
  const catalog = new Catalog(compiler);
  const snapshot = await store.open();
  const { problems } = fillCatalog(snapshot, catalog, logger);
  const files = new CaddyFiles(compiler.folder);
  const renderer = new ConfigRenderer({
    settings: compiler,
    structure: catalog.structure,
    probePort: (port) => probePort(compiler.listenAddress, port),
    save: (config) => files.writeConfig(config),
    logger,
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
  const feed = new AddressFeed({ api, resolver, logger });
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
  const admission = new Admission({ catalog, renderer, resolver, settings: options.admission });
  const ingresses = new IngressService({ admission, catalog, keeper, writer, problems });
  return {
    ingresses,
    stop: async () => {
      await writer.close();
      keeper.stop();
      await store.close();
    },
  };
}
