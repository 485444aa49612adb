import type { ImportedCertificates } from "../certificates/imported-certificates.ts";
import type { ApplyStep } from "../manager/apply-step.ts";
import { type ManagerOptions, type RunningManager, startManager } from "../manager/manager.ts";
import { traceWork } from "../telemetry/trace-work.ts";
import { type Track, untracked } from "../util/track.ts";
import { admissionSettings } from "./admission-settings.ts";
import type { Caddy } from "./caddy.ts";
import { compilerSettings } from "./compiler-settings.ts";
import type { Foundation } from "./foundation.ts";
import type { Instances } from "./instances.ts";
import { ownListeners } from "./own-ports.ts";

/** What the manager has to do with. */
export interface ManagerParts extends Pick<ManagerOptions, "store" | "feeds"> {
  readonly instances: Pick<Instances, "registry" | "resolver" | "wake">;
  readonly imported: ImportedCertificates;
  readonly caddy: Pick<Caddy, "api" | "createHost" | "modules">;
}

/** Starts the manager with these settings: from here on Caddy serves what is stored. Throws what `startManager` does. */
export function serveIngresses(
  foundation: Foundation,
  { caddy, imported, instances, ...parts }: ManagerParts,
): Promise<RunningManager> {
  const { config, errorPages, events, live, logger } = foundation;
  const { drift } = config.caddy;
  return startManager({
    ...parts,
    certificates: imported,
    confirmReferences: async () => {
      await instances.registry?.confirm();
      await imported.confirm();
    },
    ownListeners: ownListeners(config),
    api: caddy.api,
    createHost: caddy.createHost,
    resolver: instances.resolver,
    admission: { ...admissionSettings(config), canWake: instances.wake !== undefined },
    compiler: { ...compilerSettings(config, () => live.config), modules: caddy.modules, errorPages },
    drift,
    events,
    logger: logger.child("ingress"),
    track: trackOf(foundation),
  });
}

/** Steps are counted, and traced where OpenTelemetry is on. */
function trackOf({ metrics, otlp, track = untracked }: Foundation): Track<ApplyStep> {
  const traced = otlp === undefined ? untracked : traceWork(otlp.tracing, "apply");
  return (step, run, size) => track(step, () => traced(step, () => metrics.applies(step, run, size), size));
}
