/** A name and its value. */
export type Pair = readonly [key: string, value: string];

/** Reads `key=value` as OpenTelemetry's variables have it (W3C baggage): the value's percent signs are escapes. */
export function parsePair(text: string): Pair | undefined {
  const match = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(text);
  if (match === null) return undefined;
  const [, key = "", value = ""] = match;
  try {
    return [key, decodeURIComponent(value)];
  } catch {
    return undefined;
  }
}
