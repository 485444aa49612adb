import type { ImportedCertificates } from "../certificates/imported-certificates.ts";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { RootLogger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import type { Ingress } from "../model/api.ts";
import type { Document } from "../store/document-store.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { ControlMetrics } from "../telemetry/control-metrics.ts";
import { admissionSettings } from "./admission-settings.ts";
import type { DocumentChecks } from "./document-checks.ts";
import type { PrefetchedFolders } from "./prefetched-folders.ts";
import { openSet, type SharedStore } from "./shared-store.ts";

export interface IngressesParts {
  readonly config: Config;
  readonly documentChecks: DocumentChecks;
  /** Certificates that rules may name. */
  readonly imported: ImportedCertificates;
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
  imported,
  logger,
  metrics,
  prefetched,
  shared,
}: IngressesParts): IngressStore {
  const { ports } = admissionSettings(config);
  return openSet(config, shared, "ingresses", {
    documentCheck: documentChecks.ingresses,
    track: metrics.store("ingresses"),
    validate: (value: unknown) => readStoredIngress(value, ports),
    prefetched: prefetched?.ingresses,
    onBackgroundError: ({ message }) => logger.child("store").warn(message),
    before: async (puts) => {
      if (!hasAll(puts, imported)) await imported.confirm();
    },
    restsOn: ({ puts }) => {
      if (!puts.some((one) => certificatesOf(one).length > 0)) return [];
      // It was deleted since this was decided: another decision is to find that.
      if (!hasAll(puts, imported))
        throw new GatewrightError("store_conflict", "an imported certificate is gone that rules name");
      return [{ set: "certificates", revision: imported.revision, confirm: () => imported.confirm() }];
    },
  });
}

function hasAll(ingresses: readonly Document[], imported: Pick<ImportedCertificates, "has">): boolean {
  return ingresses.every((one) => certificatesOf(one).every((id) => imported.has(id)));
}

/** Ids of the imported certificates that an ingress, or what may be one, names. */
function certificatesOf(ingress: Partial<Ingress>): readonly string[] {
  return (ingress.rules ?? []).flatMap(({ tls_options, upstream }) => [
    ...(tls_options?.certificate === undefined ? [] : [tls_options.certificate]),
    ...(upstream?.tls?.certificate === undefined ? [] : [upstream.tls.certificate]),
  ]);
}
