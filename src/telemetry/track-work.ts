import { Histogram, type Registry } from "prom-client";
import { isGatewrightError } from "../errors.ts";
import type { Track } from "../util/track.ts";

/** A histogram of durations. */
export interface WorkOptions {
  /** Without the prefix `gatewright_`; ends in `_seconds`. */
  readonly name: string;
  readonly help: string;
  /** Upper bounds in seconds. */
  readonly buckets: readonly number[];
  /** Label of the work's name. Default: it has none. */
  readonly label?: string;
  /** What else is the same of all of it. */
  readonly labelNames?: readonly string[];
}

/** Notes each piece of work in a histogram, by how it ended: `ok`, the code of its error, or `failed`. */
export function workHistogram(
  registry: Registry,
  { name, help, buckets, label, labelNames = [] }: WorkOptions,
): (labels?: { readonly [label: string]: string }) => Track<string> {
  const histogram = new Histogram({
    name: `gatewright_${name}`,
    help,
    labelNames: [...labelNames, ...(label === undefined ? [] : [label]), "outcome"],
    buckets: [...buckets],
    registers: [registry],
  });
  return (labels = {}) =>
    async (work, run) => {
      const began = performance.now();
      const ended = (outcome: string): void => {
        const named = label === undefined ? {} : { [label]: work };
        histogram.observe({ ...labels, ...named, outcome }, (performance.now() - began) / 1000);
      };
      try {
        const result = await run();
        ended("ok");
        return result;
      } catch (error) {
        ended(outcomeOf(error));
        throw error;
      }
    };
}

/** How work ended that failed: the code of its error, or `failed`. */
export function outcomeOf(error: unknown): string {
  return isGatewrightError(error) ? error.code : "failed";
}
