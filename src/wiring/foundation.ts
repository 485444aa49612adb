import type { ImportStep } from "../archive/import-step.ts";
import { type Config, choosePorts } from "../config.ts";
import type { EventLog } from "../events/event-log.ts";
import type { RootLogger } from "../log.ts";
import type { ApplyStep } from "../manager/apply-step.ts";
import { ensurePrivateFolder } from "../store/durable.ts";
import { type ControlMetrics, createControlMetrics } from "../telemetry/control-metrics.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";
import type { Track } from "../util/track.ts";
import { admissionSettings } from "./admission-settings.ts";
import { type Api, listenForCalls } from "./api.ts";
import { caddyFolder } from "./compiler-settings.ts";
import { createDocumentChecks, type DocumentChecks } from "./document-checks.ts";
import { type ErrorPageTexts, readErrorPages } from "./error-pages.ts";
import { openEvents } from "./events.ts";
import type { Lifetime } from "./lifetime.ts";
import { openOtlp } from "./otlp.ts";
import type { PrefetchedFolders } from "./prefetched-folders.ts";
import type { LiveConfig } from "./reload.ts";
import { openSharedStore, type SharedStore } from "./shared-store.ts";

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

/** What all other parts stand on, beside what the start was given. */
export interface Foundation extends GatewrightOptions {
  /** Open ports are chosen. */
  readonly config: Config;
  /** The settings in force; see `renewSettings`. */
  readonly live: LiveConfig;
  readonly events: EventLog;
  readonly otlp: Otlp | undefined;
  /** Says that Gatewright is starting, until it is told what to answer. */
  readonly api: Api;
  readonly metrics: ControlMetrics;
  readonly documentChecks: DocumentChecks;
  readonly errorPages: ErrorPageTexts;
  /** Undefined with `STORE=files`. */
  readonly shared: SharedStore | undefined;
}

/**
 * Makes the folder, begins to note events, to export telemetry and to listen for calls, and opens what is shared with other
 * gateways. Throws `config_invalid` for settings that name what cannot be read.
 */
export async function layFoundation(options: GatewrightOptions, lifetime: Lifetime): Promise<Foundation> {
  const { logger, version } = options;
  await ensurePrivateFolder(options.config.dataDir);
  const events = lifetime.add(await openEvents(options.config, logger.child("events")));
  const config = await choosePorts(options.config);
  const otlp = lifetime.add(await openOtlp(config, logger, version));
  // One of the listeners is a socket in it.
  if (config.api.hostname !== undefined) await ensurePrivateFolder(caddyFolder(config));
  const api = await listenForCalls(config);
  lifetime.add(api);
  const errorPages = await readErrorPages(config.caddy.errorPagesDir);
  const documentChecks = createDocumentChecks(admissionSettings(config).ports);
  const metrics = createControlMetrics();
  const shared = lifetime.add(await openSharedStore(config, events, logger.child("store")));
  return {
    ...options,
    api,
    config,
    documentChecks,
    errorPages,
    events,
    live: { config },
    metrics,
    otlp,
    shared,
  };
}
