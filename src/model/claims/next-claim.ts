import type { IngressPath, IngressRule } from "../api.ts";
import { hostnameShape } from "../hostname.ts";
import { headerCount, takesEveryPath } from "../precedence.ts";
import { type Claim, ruleOf } from "./bucket.ts";

/** Some claims at one shape. */
export type ClaimsAt = (shape: string) => Iterable<Claim>;

/** Of longer names the labels on the left alone are taken for stars. */
const MOST_LABELS = 6;

/** Who takes requests next. */
export interface Next<T> {
  /** In precedence. */
  readonly claims: readonly T[];
  /** Whether the last one takes whatever those before it do not. */
  readonly isWhole: boolean;
}

/** Of more there is no end: a host may have thousands of places. */
const MOST_CLAIMS = 16;

/**
 * The claims that would take a rule's requests if the rule were not there, in precedence: those below it, or beside it, that
 * take the same hosts, and a path, method and headers of the rule's, down to one that takes all. What none takes would be
 * answered by 404. Of wildcards those alone that take all hosts of the rule: which others cross it, such as `*.a.test` and `b.*.test`, no
 * index tells.
 */
export function nextClaims(rule: IngressRule, claimsAt: ClaimsAt): Next<Claim> {
  const own = hostnameShape(rule.match.hostname);
  const next: Claim[] = [];
  for (const shape of shapesOver(own)) {
    const held = [...claimsAt(shape)]
      .flatMap((claim) => {
        const other = ruleOf(claim);
        return other === undefined || other === rule || !meet(rule, other) ? [] : [{ claim, rule: other }];
      })
      .filter((other) => shape !== own || comparePlaces(other.rule, rule) >= 0)
      .sort((one, other) => comparePlaces(one.rule, other.rule));
    for (const { claim, rule: other } of held) {
      next.push(claim);
      const isWhole = takesAllOf(rule, other);
      if (isWhole || next.length === MOST_CLAIMS) return { claims: next, isWhole };
    }
  }
  return { claims: next, isWhole: false };
}

/** Shapes that take each host of a shape, itself among them: the first in precedence first. */
function shapesOver(shape: string): readonly string[] {
  const labels = shape.split(".");
  const places = Math.min(labels.length, MOST_LABELS);
  const masks = Array.from({ length: 2 ** places }, (_, mask) => mask)
    // A star where there is one anyway makes no other shape.
    .filter((mask) =>
      labels.every((label, at) => at >= places || label !== "*" || (mask & bit(at, places)) === 0),
    )
    .sort((one, other) => bits(one) - bits(other) || one - other);
  const shapes = masks.map((mask) =>
    labels.map((label, at) => (at < places && (mask & bit(at, places)) !== 0 ? "*" : label)).join("."),
  );
  return shapes.includes("*") ? shapes : [...shapes, "*"];
}

/** The leftmost label has the highest bit: of shapes with as many stars the one whose leftmost literal is more to the left goes first. */
function bit(at: number, places: number): number {
  return 2 ** (places - 1 - at);
}

function bits(mask: number): number {
  return mask.toString(2).replaceAll("0", "").length;
}

/** Below zero when the first goes before the second for a host that both take by equal hostnames. */
function comparePlaces({ match: one }: IngressRule, { match: other }: IngressRule): number {
  const by = [
    Number(other.path?.type === "exact") - Number(one.path?.type === "exact"),
    prefixLength(other) - prefixLength(one),
    Number(other.methods !== undefined) - Number(one.methods !== undefined),
    headerCount(other.headers) - headerCount(one.headers),
  ];
  return by.find((step) => step !== 0) ?? 0;
}

function prefixLength({ path }: IngressRule["match"]): number {
  return path === undefined || takesEveryPath(path) ? 0 : path.value.length;
}

/** Whether one request can have the path, method and headers of both. */
function meet({ match: one }: IngressRule, { match: other }: IngressRule): boolean {
  const { methods } = one;
  const headers = valuesOf(one);
  return (
    pathsMeet(one.path, other.path) &&
    (methods === undefined ||
      other.methods === undefined ||
      methods.some((each) => other.methods?.includes(each))) &&
    [...valuesOf(other)].every(([name, value]) => (headers.get(name) ?? value) === value)
  );
}

/** Values of headers by their names in lowercase. */
function valuesOf({ headers = {} }: IngressRule["match"]): ReadonlyMap<string, string> {
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Whether a rule that takes the same hosts takes every request of another. */
function takesAllOf({ match: { path } }: IngressRule, { match: other }: IngressRule): boolean {
  if (other.methods !== undefined || headerCount(other.headers) > 0) return false;
  if (takesEveryPath(other.path)) return true;
  return path !== undefined && other.path?.type === "prefix" && isUnder(path.value, other.path.value);
}

function pathsMeet(one: IngressPath | undefined, other: IngressPath | undefined): boolean {
  if (one === undefined || other === undefined) return true;
  if (one.type === "exact" && other.type === "exact") return one.value === other.value;
  return (
    (other.type === "prefix" && isUnder(one.value, other.value)) ||
    (one.type === "prefix" && isUnder(other.value, one.value))
  );
}

/** Whether a prefix, which ends at the border of a segment, takes a path. */
function isUnder(path: string, prefix: string): boolean {
  const bare = prefix.replace(/\/$/, "");
  return path === bare || path.startsWith(`${bare}/`);
}
