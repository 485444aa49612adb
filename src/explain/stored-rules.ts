import { setImmediate } from "node:timers/promises";
import type { Ingress } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";
import { nearest } from "../util/nearest.ts";

/** A stored rule. */
export interface StoredRule {
  readonly ingress: Ingress;
  readonly index: number;
}

/** What the store has for a host. */
export interface HostRules {
  /** Rules whose hostname takes it, on whatever port. */
  readonly rules: readonly StoredRule[];
  /** Where there are none: hostnames that look like it. */
  readonly nearest: readonly string[];
}

const MOST_RULES = 100;
const MOST_NEAREST = 3;
/** After so many ingresses others have their turn. */
const SLICE = 500;

/** Looks for the rules of a host among all ingresses. */
export async function rulesOfHost(ingresses: Iterable<Ingress>, host: string): Promise<HostRules> {
  const rules: StoredRule[] = [];
  const alike = new Set<string>();
  let slice = new Set<string>();
  let looked = 0;
  for (const ingress of ingresses) {
    for (const [index, { match }] of ingress.rules.entries()) {
      // Rules of a whole port have no hostname.
      if (match.hostname === "") continue;
      if (!takes(match.hostname, host)) slice.add(match.hostname);
      else if (rules.length < MOST_RULES) rules.push({ ingress, index });
    }
    if (++looked % SLICE !== 0) continue;
    for (const name of mostAlike(host, slice)) alike.add(name);
    slice = new Set();
    await setImmediate();
  }
  for (const name of mostAlike(host, slice)) alike.add(name);
  return { rules, nearest: rules.length > 0 ? [] : mostAlike(host, alike) };
}

/** Whether a rule's hostname takes a host. */
function takes(hostname: string, host: string): boolean {
  const shape = hostnameShape(hostname);
  if (shape === host || shape === "*") return true;
  if (!shape.includes("*")) return false;
  const labels = shape.split(".");
  const asked = host.split(".");
  return labels.length === asked.length && labels.every((label, at) => label === "*" || label === asked[at]);
}

/** The nearest ones first; such as are wholly different are left out. */
function mostAlike(host: string, names: ReadonlySet<string>): string[] {
  const within = Math.max(2, Math.floor(host.length / 3));
  const left = new Set(names);
  const found: string[] = [];
  while (found.length < MOST_NEAREST) {
    const name = nearest(host, [...left], within);
    if (name === undefined) break;
    found.push(name);
    left.delete(name);
  }
  return found;
}
