import type { ExportResult } from "@opentelemetry/core";
import type { Exporters } from "./exporters.ts";

interface Exporter<Items> {
  export(items: Items, done: (result: ExportResult) => void): void;
  forceFlush?(): Promise<void>;
  shutdown(): Promise<void>;
}

/** Exporters that others can be put in the place of. */
export interface RenewableExporters extends Exporters {
  /** What is under way is ended by those of before. */
  renew(next: Exporters): void;
}

/** OpenTelemetry's exporters keep the settings that they were made with (those of gRPC their headers from the first export on). */
export function renewable(first: Exporters): RenewableExporters {
  const metrics = new Replaceable(first.metrics);
  const logs = new Replaceable(first.logs);
  const traces = new Replaceable(first.traces);
  return {
    metrics,
    logs,
    traces,
    renew: (next) => {
      metrics.replaceBy(next.metrics);
      logs.replaceBy(next.logs);
      traces.replaceBy(next.traces);
    },
  };
}

class Replaceable<Items> implements Exporter<Items> {
  #current: Exporter<Items>;

  constructor(first: Exporter<Items>) {
    this.#current = first;
  }

  replaceBy(next: Exporter<Items>): void {
    const before = this.#current;
    this.#current = next;
    // It tells of its failures by its exports.
    void before.shutdown().catch(() => undefined);
  }

  export(items: Items, done: (result: ExportResult) => void): void {
    this.#current.export(items, done);
  }

  async forceFlush(): Promise<void> {
    await this.#current.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#current.shutdown();
  }
}
