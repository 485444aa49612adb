import type { Finding } from "../../model/api.ts";

type Check = Finding["check"];

export function ok(check: Check, message: string): Finding {
  return { check, verdict: "ok", message };
}

export function warning(check: Check, message: string, remedy: string): Finding {
  return { check, verdict: "warning", message, remedy };
}

export function problem(check: Check, message: string, remedy: string): Finding {
  return { check, verdict: "problem", message, remedy };
}

/** Findings of one kind that are told one by one; further ones are counted. */
const MOST_TOLD = 50;

/** The first of what may be as many as there are ingresses. */
export function someOf(findings: readonly Finding[]): readonly Finding[] {
  const [first] = findings;
  const more = findings.length - MOST_TOLD;
  if (first === undefined || more <= 0) return findings;
  const { remedy, ...rest } = first;
  const rested = { ...rest, message: `and ${more} more of this kind` };
  return [...findings.slice(0, MOST_TOLD), remedy === undefined ? rested : { ...rested, remedy }];
}
