import type { ExportResult } from "@opentelemetry/core";
import type { Logger } from "../../log.ts";

/** The part of an exporter that tells what became of an export. */
interface Exporter<Items> {
  export(items: Items, done: (result: ExportResult) => void): void;
}

/**
 * Logs when exports begin to fail and when all come through again: one entry each, however many signals and exports there
 * are. What could not be sent is dropped.
 */
export class ExportWatch {
  readonly #logger: Logger;
  readonly #endpoint: string;
  readonly #failing = new Set<string>();

  constructor(logger: Logger, endpoint: string) {
    this.#logger = logger;
    this.#endpoint = endpoint;
  }

  /** Has the exporter's results come by here. */
  follow<Items>(signal: string, exporter: Exporter<Items>): void {
    const send = exporter.export.bind(exporter);
    exporter.export = (items, done) =>
      send(items, (result) => {
        this.#note(signal, result);
        done(result);
      });
  }

  #note(signal: string, { code, error }: ExportResult): void {
    const wasFailing = this.#failing.size > 0;
    // ExportResultCode.SUCCESS, which would load the package.
    if (code === 0) this.#failing.delete(signal);
    else this.#failing.add(signal);
    const fields = { signal, endpoint: this.#endpoint };
    if (!wasFailing && this.#failing.size > 0)
      this.#logger.warn("telemetry is not taken by the OTLP receiver, and dropped until it is", {
        ...fields,
        reason: error?.message,
      });
    if (wasFailing && this.#failing.size === 0) this.#logger.info("telemetry is exported again", fields);
  }
}
