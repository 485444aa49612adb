import { distance } from "fastest-levenshtein";
import { isHypemanName } from "./hypeman-names.ts";
import type { Environment } from "./read.ts";
import { fileVariable, secretNames } from "./secret-files.ts";
import { settings } from "./settings.ts";

const names = [...settings.map((setting) => setting.name), ...secretNames.map(fileVariable)];

/** Names that others give a meaning to, although they are near ours. */
const foreign = new Set(["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CADDY_VERSION"]);

/**
 * A warning for each variable that looks like a setting of ours and is none: few letters apart from one, and
 * beginning with the same word, the same but for underscores (`ACME_E_MAIL`), or a part of one (`DNS_PORT`).
 */
export function misspeltNames(environment: Environment): readonly string[] {
  const known = new Set(names);
  const warnings: string[] = [];
  for (const name of Object.keys(environment)) {
    if (known.has(name) || foreign.has(name) || isHypemanName(name)) continue;
    const one = nearest(name);
    const meant = one === undefined ? havingPart(name) : [one];
    if (meant.length > 0) warnings.push(`${name} is not a setting; did you mean ${meant.join(" or ")}?`);
  }
  return warnings;
}

function nearest(name: string): string | undefined {
  const candidates = names
    .map((setting) => ({ setting, apart: apart(name, setting) }))
    .filter((candidate) => candidate.apart <= tolerance(candidate.setting));
  return candidates.sort((one, other) => one.apart - other.apart)[0]?.setting;
}

/** Settings that have all of the name's words at their beginning or end; the first word begins one of ours. */
function havingPart(name: string): readonly string[] {
  if (!name.includes("_") || !settings.some((setting) => familyOf(setting.name) === familyOf(name)))
    return [];
  return settings
    .map((setting) => setting.name)
    .filter((setting) => setting.startsWith(`${name}_`) || setting.endsWith(`_${name}`));
}

/** Letters that differ; Infinity for names of different families. */
function apart(name: string, setting: string): number {
  if (name.replaceAll("_", "") === setting.replaceAll("_", "")) return 0;
  return familyOf(name) === familyOf(setting) && name.includes("_")
    ? distance(name, setting)
    : Number.POSITIVE_INFINITY;
}

function familyOf(name: string): string {
  return name.split("_")[0] ?? "";
}

/** Short names are near to many others. */
function tolerance(setting: string): number {
  if (setting.length < 8) return 1;
  return setting.length < 14 ? 2 : 3;
}
