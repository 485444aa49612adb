import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredCertificate } from "../../src/certificates/imported-certificate.ts";
import { ImportedCertificates } from "../../src/certificates/imported-certificates.ts";
import { CertificateMonitor } from "../../src/certificates/monitor.ts";
import { CertificateReport } from "../../src/certificates/report.ts";
import type { AppDependencies } from "../../src/http/app.ts";
import type { Logger } from "../../src/log.ts";
import { type EventSink, noEvents } from "../../src/model/event.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { noTracing } from "../../src/telemetry/tracing.ts";
import { MemoryStore } from "./memory-store.ts";

/** Certificates and telemetry of an API without a Caddy: nothing is issued, imports are stored in memory. */
export interface MemoryCertificates extends Required<Pick<AppDependencies, "certificates" | "telemetry">> {
  readonly imported: ImportedCertificates;
  /** Removes the files. */
  close(): Promise<void>;
}

export function memoryCertificates(logger: Logger, events: EventSink = noEvents): MemoryCertificates {
  const folder = join(tmpdir(), `gatewright-certificates-${randomUUID()}`);
  const imported = new ImportedCertificates({
    store: new MemoryStore<StoredCertificate>(),
    folder,
    events,
    logger,
  });
  const monitor = new CertificateMonitor({
    api: { certificates: async () => [] },
    names: () => ({ generation: 0, names: () => [] }),
    logger,
    expiryWarningMs: 0,
  });
  const report = new CertificateReport({ monitor, imported, usesOf: () => 0 });
  return {
    imported,
    certificates: { report, imported },
    telemetry: {
      tracing: noTracing,
      metrics: createMetrics({
        version: "0",
        ingresses: () => 0,
        certificates: (most) => report.overview(most),
      }),
      status: () => ({
        status: "ok",
        version: "0",
        uptime_seconds: 0,
        ingresses: 0,
        certificates: report.counts(),
        draining: [],
        problems: [],
      }),
    },
    close: async () => {
      await imported.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
