import type { IngressPath } from "../../src/model/api.ts";
import { headerCount, takesEveryPath } from "../../src/model/precedence.ts";

/** All of a rule that precedence looks at. */
export interface Specificity {
  /** See `Hostname.shape`. */
  readonly shape: string;
  /** Normalised. Absent, like the prefix `/`, takes every path. */
  readonly path?: IngressPath | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly headers?: { readonly [name: string]: string } | undefined;
  /** The plain-HTTP side of `redirect_http`: below any other rule of its host. */
  readonly redirect?: boolean | undefined;
}

/**
 * Negative when `left` comes first, positive when `right` does, 0 when they tie.
 * Host (literal; more literal labels; leftmost differing literal; `*`), path (exact; longest prefix), method list
 * present, more headers, redirects last. Rules that cannot meet in one request are ordered by their text, so that the
 * order is total; it never depends on who came first.
 */
export function comparePrecedence(left: Specificity, right: Specificity): number {
  return (
    compareShapes(left.shape, right.shape) ||
    comparePaths(left.path, right.path) ||
    Number(right.methods !== undefined) - Number(left.methods !== undefined) ||
    headerCount(right.headers) - headerCount(left.headers) ||
    Number(left.redirect === true) - Number(right.redirect === true)
  );
}

function compareShapes(left: string, right: string): number {
  if (left === right) return 0;
  const one = left.split(".");
  const other = right.split(".");
  return (
    shapeClass(left) - shapeClass(right) ||
    literalCount(other) - literalCount(one) ||
    compareTexts(starMask(one), starMask(other)) ||
    compareTexts(left, right)
  );
}

/** 0 literal, 1 with `*` labels, 2 every host. */
function shapeClass(shape: string): number {
  if (shape === "*") return 2;
  return shape.includes("*") ? 1 : 0;
}

function literalCount(labels: readonly string[]): number {
  return labels.filter((label) => label !== "*").length;
}

/** Orders by the leftmost label that is literal in one only: `0` is literal and comes first. */
function starMask(labels: readonly string[]): string {
  return labels.map((label) => (label === "*" ? "1" : "0")).join("");
}

function comparePaths(left: IngressPath | undefined, right: IngressPath | undefined): number {
  const one = pathOrder(left);
  const other = pathOrder(right);
  return (
    one.rank - other.rank || other.value.length - one.value.length || compareTexts(one.value, other.value)
  );
}

function pathOrder(path: IngressPath | undefined): { readonly rank: number; readonly value: string } {
  if (path === undefined || takesEveryPath(path)) return { rank: 2, value: "" };
  return { rank: path.type === "exact" ? 0 : 1, value: path.value };
}

/** By UTF-16 code unit; a locale would make the order depend on the machine. */
function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
