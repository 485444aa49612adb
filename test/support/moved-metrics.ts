import type { Registry } from "prom-client";
import { exposition, metricTypes } from "../../src/telemetry/exposition.ts";
import { ownFamilies } from "../../src/telemetry/own-families.ts";

/** The value of each series, by name and labels. */
export type Series = ReadonlyMap<string, number>;

/** What a registry tells now, as series. */
export async function seriesOf(registry: Registry): Promise<Series> {
  return readSeries(exposition(await ownFamilies(registry), metricTypes[0]));
}

/** What a text in Prometheus' format says, as series. */
export function readSeries(text: string): Series {
  return new Map(
    text.split("\n").flatMap((line) => {
      const end = line.lastIndexOf(" ");
      return line.startsWith("#") || end < 0
        ? []
        : [[line.slice(0, end), Number(line.slice(end + 1))] as const];
    }),
  );
}

/** The series of these names that are others than before, by how much; without the prefix `gatewright_`. */
export function moved(before: Series, after: Series, names: RegExp): { readonly [series: string]: number } {
  const changes = [...after].flatMap(([series, value]) => {
    const change = value - (before.get(series) ?? 0);
    return change === 0 || !names.test(series) ? [] : [[series.replace("gatewright_", ""), change] as const];
  });
  return Object.fromEntries(changes);
}
