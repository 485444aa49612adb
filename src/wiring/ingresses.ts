import type { Config } from "../config.ts";
import type { RootLogger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import { openFileStore } from "../store/file-store.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { ControlMetrics } from "../telemetry/control-metrics.ts";
import { admissionSettings } from "./admission-settings.ts";
import type { DocumentChecks } from "./document-checks.ts";
import { ingressesFolder } from "./ingresses-folder.ts";
import type { PrefetchedFolders } from "./prefetched-folders.ts";
import type { SharedStore } from "./shared-store.ts";

export interface IngressesParts {
  readonly config: Config;
  readonly documentChecks: DocumentChecks;
  readonly metrics: ControlMetrics;
  readonly logger: RootLogger;
  readonly prefetched?: PrefetchedFolders;
  /** Undefined where each gateway has its own. */
  readonly shared: SharedStore | undefined;
}

/** The store of ingresses: files in `DATA_DIR/ingresses`, or a set on etcd. */
export function openIngresses({
  config,
  documentChecks,
  logger,
  metrics,
  prefetched,
  shared,
}: IngressesParts): IngressStore {
  const { ports } = admissionSettings(config);
  const common = {
    documentCheck: documentChecks.ingresses,
    track: metrics.store("ingresses"),
    validate: (value: unknown) => readStoredIngress(value, ports),
    prefetched: prefetched?.ingresses,
  };
  if (shared !== undefined) return shared.set("ingresses", common);
  return openFileStore({
    ...common,
    folder: ingressesFolder(config),
    onBackgroundError: ({ message }) => logger.child("store").warn(message),
  });
}
