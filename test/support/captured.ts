import { hostOf } from "./reference-matcher.ts";

/** The instance that a rule leads to for a Host: captures of the hostname put into the target's text. Lowercase. */
export function expandTarget(hostname: string, instance: string, host: string): string {
  const values = hostOf(host).split(".");
  const labels = hostname.replace(/\.$/, "").split(".");
  const captures = new Map(labels.map((label, index) => [label, values[index] ?? ""]));
  return instance.replace(/\{[^}]*\}/g, (capture) => captures.get(capture) ?? capture).toLowerCase();
}
