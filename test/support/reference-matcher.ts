import { isIPv6 } from "node:net";
import { posix } from "node:path";
import type { Row } from "../../src/compiler/row.ts";
import type { IngressPath } from "../../src/model/api.ts";
import { comparePrecedence, type Specificity } from "./precedence.ts";

/** A request of test/cases: as it is sent, with the port of the listener that gets it. */
export interface CaseRequest {
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly headers: { readonly [name: string]: string };
  readonly tls: boolean;
}

/** The row that takes a request: looks at every row in order of precedence. Slow and simple on purpose. */
export function matchReference(rows: readonly Row[], request: CaseRequest): Row | undefined {
  return [...rows].sort(compareRows).find((row) => rowMatches(row, request));
}

/** Precedence, and for equal redirects the smallest id. */
export function compareRows(left: Row, right: Row): number {
  return comparePrecedence(specificityOf(left), specificityOf(right)) || (left.id < right.id ? -1 : 1);
}

/** What precedence looks at in a row. */
export function specificityOf(row: Row): Specificity {
  const shape = row.host.replace(/\{[^}]*\}/g, "*");
  const { path, methods, headers } = row;
  return { shape, path, methods, headers, redirect: row.redirect !== undefined };
}

/** Whether the row takes the request, other rows aside. */
export function rowMatches(row: Row, request: CaseRequest): boolean {
  if (row.port !== request.port || (row.tls ?? false) !== request.tls) return false;
  if (!hostMatches(row.host, hostOf(request.host))) return false;
  if (row.methods !== undefined && !row.methods.includes(request.method)) return false;
  const sent = new Map(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const wanted = Object.entries(row.headers ?? {});
  if (!wanted.every(([name, value]) => sent.get(name.toLowerCase()) === value)) return false;
  return pathTakes(row.path, requestPath(request.path));
}

/** Whether a cleaned request path is one that a normalised rule's path takes. No path takes all. */
export function pathTakes(path: IngressPath | undefined, cleaned: string): boolean {
  if (path === undefined) return true;
  if (path.type === "exact") return cleaned === path.value;
  return path.value === "/" || cleaned === path.value || cleaned.startsWith(`${path.value}/`);
}

/** Whether nothing tells two rows of one port apart for a request that both could match, with TLS or without. */
export function rowsTie(left: Row, right: Row): boolean {
  if (left.port !== right.port || comparePrecedence(specificityOf(left), specificityOf(right)) !== 0)
    return false;
  const methods = left.methods?.some((method) => right.methods?.includes(method)) ?? true;
  const headers = Object.entries(left.headers ?? {}).every(([name, value]) =>
    Object.entries(right.headers ?? {}).every(
      ([other, otherValue]) => other.toLowerCase() !== name.toLowerCase() || otherValue === value,
    ),
  );
  return methods && headers;
}

/** The Host header's host: lowercase, without port, one trailing dot and brackets. */
export function hostOf(header: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(header)?.[1];
  const host = (bracketed ?? header.replace(/:\d+$/, "")).toLowerCase().replace(/\.$/, "");
  return isIPv6(host) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}

function requestPath(target: string): string {
  return cleanPath(decodeURIComponent(target.replace(/\?.*$/s, "")));
}

/** Without `//`, `.` and `..`; what ends in one of them ends in `/` afterwards. */
export function cleanPath(decoded: string): string {
  return posix.normalize(decoded.replace(/\/\.{1,2}$/, "$&/"));
}

function hostMatches(pattern: string, host: string): boolean {
  if (pattern === "*" || pattern === host) return true;
  const wanted = pattern.split(".");
  const labels = host.split(".");
  if (wanted.length !== labels.length) return false;
  return wanted.every((label, index) =>
    label === "*" || label.startsWith("{") ? labels[index] !== "" : label === labels[index],
  );
}
