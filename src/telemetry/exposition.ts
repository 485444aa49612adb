import type { MetricFamily } from "../caddy-json/metric-family.ts";

/** Forms in which metrics are told, the first where a client takes all. */
export const metricTypes = [
  "text/plain; version=0.0.4; charset=utf-8",
  "application/openmetrics-text; version=1.0.0; charset=utf-8",
] as const;

/** One of `metricTypes`. */
export type MetricType = (typeof metricTypes)[number];

/**
 * Families in Prometheus' text format, or in OpenMetrics. Of two with a name the first stands: a scrape with both would
 * be refused as a whole. Pure.
 */
export function exposition(families: Iterable<MetricFamily>, type: MetricType): string {
  const isOpen = type === metricTypes[1];
  const named = new Set<string>();
  let text = "";
  for (const family of families) {
    // OpenMetrics names a counter without the end of its sample.
    const name = isOpen && family.type === "counter" ? family.name.replace(/_total$/, "") : family.name;
    if (named.has(name)) continue;
    named.add(name);
    const help = isOpen ? escapeValue(family.help) : family.help.replace(/[\\\n]/g, escapeCharacter);
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${family.type}\n${samplesOf(family, isOpen)}`;
  }
  return isOpen ? `${text}# EOF\n` : text;
}

function samplesOf(family: MetricFamily, isOpen: boolean): string {
  const { labels, name } = family;
  let text = "";
  if (family.type !== "histogram") {
    for (const { l, v } of family.samples) text += `${name}${braced(pairs(labels, l))} ${numeral(v)}\n`;
    return text;
  }
  // Most lines are buckets: what is the same in all of them is made once.
  const ends = [...family.bounds.map((bound) => boundText(bound, isOpen)), "+Inf"].map(
    (bound) => `le="${bound}"} `,
  );
  for (const { l, c, s = 0, n = 0 } of family.samples) {
    const own = pairs(labels, l);
    const begin = `${name}_bucket{${own === "" ? "" : `${own},`}`;
    for (let index = 0; index < ends.length; index++)
      text += `${begin}${ends[index]}${numeral(c[index] ?? n)}\n`;
    text += `${name}_sum${braced(own)} ${numeral(s)}\n${name}_count${braced(own)} ${numeral(n)}\n`;
  }
  return text;
}

function pairs(names: readonly string[], values: readonly string[]): string {
  let text = "";
  for (const [index, name] of names.entries())
    text += `${index === 0 ? "" : ","}${name}="${escapeValue(values[index] ?? "")}"`;
  return text;
}

function braced(text: string): string {
  return text === "" ? "" : `{${text}}`;
}

/** OpenMetrics wants bounds to be floating-point numbers. */
function boundText(bound: number, isOpen: boolean): string {
  return isOpen && Number.isInteger(bound) ? bound.toFixed(1) : numeral(bound);
}

function numeral(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}

const NEEDS_ESCAPE = /[\\\n"]/;

function escapeValue(text: string): string {
  return NEEDS_ESCAPE.test(text) ? text.replace(/[\\\n"]/g, escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
