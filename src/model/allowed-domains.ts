import { hostnameShape, isHostnameProblem, parseHostname } from "./hostname.ts";

/** A list of names in the form in which it is searched. */
interface DomainList {
  readonly all: boolean;
  readonly exact: ReadonlySet<string>;
  /** What stands behind `*.` in the wildcards. */
  readonly suffixes: ReadonlySet<string>;
}

/** Lists come from the settings: there is one in a process, looked at for each of many rules. */
const read = new WeakMap<readonly string[], DomainList>();

/**
 * Whether TLS_ALLOWED_DOMAINS covers a hostname, patterns by their wildcard form. Without regard to case.
 * `*.example.com` covers one label before the suffix, not the suffix itself.
 */
export function isDomainAllowed(hostname: string, allowedDomains: readonly string[]): boolean {
  const list = readList(allowedDomains);
  const subject = shapeOf(hostname);
  if (list.all || list.exact.has(subject)) return true;
  const suffix = parentOf(subject);
  return suffix !== undefined && list.suffixes.has(suffix);
}

/** The list's wildcard that covers the name, such as `*.example.com` for `shop.example.com`. */
export function coveringWildcard(subject: string, allowedDomains: readonly string[]): string | undefined {
  const suffix = parentOf(subject);
  if (suffix === undefined || !readList(allowedDomains).suffixes.has(suffix)) return undefined;
  return suffix.includes("*") ? undefined : `*.${suffix}`;
}

function readList(allowedDomains: readonly string[]): DomainList {
  const known = read.get(allowedDomains);
  if (known !== undefined) return known;
  const shapes = allowedDomains.map((entry) => shapeOf(entry.trim())).filter((shape) => shape !== "");
  const list = {
    all: shapes.includes("*"),
    exact: new Set(shapes),
    suffixes: new Set(shapes.filter((shape) => shape.startsWith("*.")).map((shape) => shape.slice(2))),
  };
  read.set(allowedDomains, list);
  return list;
}

/** The name without its first label. */
function parentOf(subject: string): string | undefined {
  const dot = subject.indexOf(".");
  return dot <= 0 ? undefined : subject.slice(dot + 1);
}

function shapeOf(text: string): string {
  if (canonicalName.test(text)) return hostnameShape(text);
  const hostname = parseHostname(text);
  return isHostnameProblem(hostname) ? text.toLowerCase() : hostname.shape;
}

/** What parsing would leave as it is; rules have their hostnames in this form. */
const canonicalName =
  /^(?:[a-z0-9_]|[a-z0-9_][a-z0-9_-]*[a-z0-9_])(?:\.(?:[a-z0-9_]|[a-z0-9_][a-z0-9_-]*[a-z0-9_]))*\.[a-z][a-z0-9]*$/;
