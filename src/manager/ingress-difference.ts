import type { Difference, Ingress, IngressRule } from "../model/api.ts";
import { targetsOf } from "../model/target.ts";

type Value = { readonly [key: string]: unknown } | readonly unknown[];

/** Fields whose values are secrets, are made from some, or are headers that may hold some: that they differ is all that is told. */
const SECRET =
  /(?:^|\.)(?:request_header_auth\.value|basic_auth\.users|headers\.(?:request|response)\.(?:set|add)\..+)$/;

/** What a change does to a document, in the order of its keys; rules are told apart by what they match. Pure. */
export function differencesOf(
  before: Ingress | undefined,
  after: Ingress | undefined,
): readonly Difference[] {
  const found: Difference[] = [];
  for (const key of ["name", "tags", "listen", "gateways"] as const)
    found.push(...valueDifferences(before?.[key], after?.[key], key, key));
  const old = new Map((before?.rules ?? []).map((rule, index) => [keyOf(rule), { rule, index }]));
  for (const [index, rule] of (after?.rules ?? []).entries()) {
    const field = `rules[${index}]`;
    const label = labelOf(rule);
    const same = old.get(keyOf(rule));
    old.delete(keyOf(rule));
    if (same === undefined) found.push({ field, text: `${label} is added: ${targetsText(rule)}` });
    else found.push(...valueDifferences(same.rule, rule, field, label));
  }
  for (const { rule, index } of old.values())
    found.push({ field: `rules[${index}]`, text: `${labelOf(rule)} is removed` });
  return found;
}

/** How people name a rule. */
function labelOf({ match }: IngressRule): string {
  const methods = match.methods === undefined ? "" : `${match.methods.join(",")} `;
  const path = match.path === undefined ? "" : match.path.value + (match.path.type === "prefix" ? "*" : "");
  const protocol = match.protocol === undefined || match.protocol === "http" ? "" : `${match.protocol} `;
  return `${methods}${protocol}${match.hostname || "any name"}:${match.port}${path}`;
}

function keyOf({ match }: IngressRule): string {
  return JSON.stringify(match);
}

function targetsText(rule: IngressRule): string {
  const names = targetsOf(rule).map(
    ({ address, instance, port, service }) => `${instance ?? service ?? address}:${port}`,
  );
  return names.length === 0 ? "no target" : `to ${names.join(", ")}`;
}

function valueDifferences(before: unknown, after: unknown, field: string, label: string): Difference[] {
  if (before === after || JSON.stringify(before) === JSON.stringify(after)) return [];
  if (
    !isSecret(field) &&
    isValue(before) &&
    isValue(after) &&
    Array.isArray(before) === Array.isArray(after)
  ) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => {
      const inner = Array.isArray(before) ? `${field}[${key}]` : `${field}.${key}`;
      return valueDifferences(before[key as never], after[key as never], inner, label);
    });
  }
  const what = field.slice(field.indexOf(".") + 1);
  const name = label === field || !field.startsWith("rules") ? field : `${label}: ${what}`;
  return [{ field, text: `${name} ${wordsOf(field, before, after)}` }];
}

function wordsOf(field: string, before: unknown, after: unknown): string {
  const text = (value: unknown) => JSON.stringify(hidden(value, field));
  if (before === undefined) return `is set to ${text(after)}`;
  if (after === undefined) return `is removed (was ${text(before)})`;
  return isSecret(field) ? "changes" : `changes from ${text(before)} to ${text(after)}`;
}

const HIDDEN = "(hidden)";

function isSecret(field: string): boolean {
  return SECRET.test(field);
}

/** The value of a field without its secrets. */
function hidden(value: unknown, field: string): unknown {
  if (isSecret(field)) return HIDDEN;
  if (!isValue(value)) return value;
  if (Array.isArray(value)) return value.map((one) => hidden(one, field));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, hidden(inner, `${field}.${key}`)]),
  );
}

function isValue(value: unknown): value is Value {
  return typeof value === "object" && value !== null;
}
