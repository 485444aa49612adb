/**
 * A user's text for a place where Caddy expands placeholders: there `\{` and `\}` stand for the braces themselves.
 * Source: `Replacer.replace` in Caddy's replacer.go; a backslash before anything else stays as it is.
 */
export function literal(text: string): string {
  return text.replace(/[{}]/g, "\\$&");
}

/** The entries of a map by ascending key, so that equal maps render equally. */
export function sortedEntries<Value>(map: { readonly [key: string]: Value }): [string, Value][] {
  return Object.entries(map).sort(([left], [right]) => (left < right ? -1 : 1));
}
