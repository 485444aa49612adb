/** A family as a scrape tells it. */
export interface ExposedFamily {
  readonly type: string;
  readonly help: string;
  /** Names of labels that any sample has, but for `le`. */
  readonly labels: ReadonlySet<string>;
}

/** Families of Prometheus' text format, by name. */
export function exposedFamilies(text: string): ReadonlyMap<string, ExposedFamily> {
  const families = new Map<string, ExposedFamily & { labels: Set<string>; type: string }>();
  for (const line of text.split("\n")) {
    const [, name = "", help = ""] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    if (name !== "") families.set(name, { type: "", help, labels: new Set() });
    const [, typed = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    const family = families.get(typed);
    if (family !== undefined) family.type = type;
    const [, sample = "", labels = ""] = /^([a-z]\w*)\{(.*)\} /.exec(line) ?? [];
    const of = families.get(sample) ?? families.get(sample.replace(/_(?:bucket|sum|count)$/, ""));
    for (const [, label = ""] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      if (label !== "le") of?.labels.add(label);
  }
  return families;
}
