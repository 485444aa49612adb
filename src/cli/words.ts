import type { Ingress, IngressRule } from "../model/api.ts";
import { targetsOf } from "../model/target.ts";

/** `shop.example.com/api*`: what a rule takes. */
export function matchText({ match, tls }: IngressRule): string {
  const scheme =
    match.protocol === undefined || match.protocol === "http" ? (tls ? "https" : "http") : match.protocol;
  const path = match.path === undefined ? "" : match.path.value + (match.path.type === "prefix" ? "*" : "");
  return `${scheme}://${match.hostname || "*"}:${match.port}${path}`;
}

/** `web-1:8080`: where a rule leads. */
export function targetsText(rule: IngressRule): string {
  return targetsOf(rule)
    .map(
      ({ address, instance, port, service }) =>
        `${instance ?? (service === undefined ? address : `service ${service}`)}:${port}`,
    )
    .join(", ");
}

export function tagsText({ tags }: Pick<Ingress, "tags">): string {
  return Object.entries(tags ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** How long ago, in the largest unit. */
export function ageOf(time: string): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
  ] as const;
  for (const [unit, size] of units) if (seconds >= size) return `${Math.floor(seconds / size)}${unit}`;
  return `${Math.floor(seconds)}s`;
}

/** `key=value` pairs of repeated options. */
export function pairsOf(texts: readonly string[], separator = "="): { readonly [key: string]: string } {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf(separator);
      return at < 0
        ? [text.trim(), ""]
        : [text.slice(0, at).trim(), text.slice(at + separator.length).trim()];
    }),
  );
}

/** `1 ingress`, `2 ingresses`. */
export function counted(count: number, noun: "ingress"): string {
  return `${count} ${noun}${count === 1 ? "" : "es"}`;
}

/** When something ends: the day; with the time where that is at most two days ahead. Pure. */
export function endText(time: string, now: number): string {
  const [day, clock = ""] = new Date(time).toISOString().split("T");
  return Date.parse(time) - now > 172_800_000 ? `${day}` : `${day} ${clock.slice(0, 5)} UTC`;
}
