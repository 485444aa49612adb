/** A document that is being written: JSON of any form, which the API judges. */
export type Draft = { readonly [key: string]: Json };
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** Keys and places: `["rules", 0, "match", "hostname"]`. */
export type Path = readonly (string | number)[];

/** As problems name their fields: `rules[0].match.hostname`. */
export function fieldOf(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
}

/** The way to a field that a problem names. */
export function pathOf(field: string): Path {
  return [...field.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) =>
    index === undefined ? (key ?? "") : Number(index),
  );
}

export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let found = value;
  for (const part of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as { readonly [key: string]: Json })[part];
  }
  return found;
}

/** The document with another value at a place; `undefined` takes the key out. */
export function withValue<T extends Json>(value: T, path: Path, next: Json | undefined): T {
  const [part, ...rest] = path;
  if (part === undefined) return next as T;
  if (typeof part === "number") {
    const list = Array.isArray(value) ? [...(value as readonly Json[])] : [];
    const changed = withValue(list[part] ?? {}, rest, next);
    if (changed === undefined) list.splice(part, 1);
    else list[part] = changed;
    return list as unknown as T;
  }
  const { [part]: old, ...others } = (
    typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}
  ) as { readonly [key: string]: Json };
  const changed =
    rest.length === 0 ? next : withValue(old ?? (typeof rest[0] === "number" ? [] : {}), rest, next);
  if (changed === undefined) return others as unknown as T;
  // In its place: a document whose keys move about cannot be read.
  const keys = Object.keys(value as object);
  const entries = keys.includes(part)
    ? keys.map((key) => [key, key === part ? changed : (value as { readonly [key: string]: Json })[key]])
    : [...Object.entries(others), [part, changed]];
  return Object.fromEntries(entries) as T;
}
