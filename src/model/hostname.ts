import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII, domainToUnicode } from "node:url";
import { quote } from "./wording.ts";

/** What a hostname of a rule takes: itself, hosts with captures, hosts with wildcard labels, or every host. */
export type HostnameKind = "literal" | "pattern" | "wildcard" | "catch_all";

/** A hostname of a rule, in the one form that is stored, compared and rendered. */
export interface Hostname {
  /** Lowercase ASCII (IDNA by UTS 46), no trailing dot; captures keep their case. An IPv6 address has no brackets. */
  readonly canonical: string;
  readonly kind: HostnameKind;
  /** The canonical text's labels, leftmost first; an IP address is one label. */
  readonly labels: readonly string[];
  /** Capture name → index in `labels`. */
  readonly captures: ReadonlyMap<string, number>;
  /** The canonical text with `*` for each capture. Two hostnames take the same hosts when their shapes are equal. */
  readonly shape: string;
}

/** Why a text is not a hostname, with the remedy. */
export interface HostnameProblem {
  readonly problem: string;
  /** The text has a capture, so that hypeman calls it a pattern. */
  readonly inPattern: boolean;
}

const CAPTURE = /\{([a-zA-Z_][a-zA-Z0-9_]*)\}/;
/** RFC 1123 section 2.1, and `_`, which names in use have (RFC 2181 section 11 lets them). */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const ASCII_OF_HOSTNAMES = /^[A-Za-z0-9_.*{}-]*$/;
/** Characters that UTS 46 maps to a full stop. */
const OTHER_DOTS = /[\u3002\uff0e\uff61]/g;
const NON_ASCII = /[^\0-\x7f]/;
/** A label that URL parsers read as a number of an IPv4 address (WHATWG URL, "ends in a number"). */
const NUMBER = /^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/;
const MAX_LABEL_LENGTH = 63;
const MAX_LENGTH = 253;

/** Whether `parseHostname` refused the text. */
export function isHostnameProblem(parsed: Hostname | HostnameProblem): parsed is HostnameProblem {
  return "problem" in parsed;
}

/**
 * Parses a rule's hostname: literal, `{capture}` labels, `*` labels, `*` alone, or an IP address.
 * Case, one trailing dot, IDNA forms and spellings of an IPv6 address do not matter.
 */
export function parseHostname(text: string): Hostname | HostnameProblem {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  const inPattern = CAPTURE.test(text);
  const refuse = (problem: string): HostnameProblem => ({ problem, inPattern });
  const foreign = foreignCharacters(text);
  if (foreign !== undefined && !inPattern) return refuse(foreign);
  const labels = text.replace(OTHER_DOTS, ".").replace(/\.$/, "").split(".");
  const patternProblem = inPattern ? checkPattern(text, labels) : undefined;
  if (patternProblem !== undefined) return refuse(patternProblem);
  if (foreign !== undefined) return refuse(foreign);
  const canonicalLabels: string[] = [];
  for (const label of labels) {
    const canonical = canonicalLabel(label);
    if (typeof canonical !== "string") return refuse(`${quote(text)} ${canonical.problem}`);
    canonicalLabels.push(canonical);
  }
  const hostname = describe(canonicalLabels);
  if (hostname.shape.length > MAX_LENGTH) {
    return refuse(`the hostname is longer than ${MAX_LENGTH} characters (RFC 1035 section 2.3.4)`);
  }
  if (canonicalLabels.every((label) => NUMBER.test(label))) {
    return refuse(`${quote(text)} is neither a name nor a whole IPv4 address such as 192.0.2.10`);
  }
  return hostname;
}

/** The canonical hostname's shape, without parsing it again. */
export function hostnameShape(canonical: string): string {
  return canonical.includes("{") ? canonical.replace(/\{[^}]*\}/g, "*") : canonical;
}

/** The captures that a text refers to, such as the target `{a}-{b}`, and what is left of it without them. */
export function captureReferences(text: string): {
  readonly names: readonly string[];
  readonly rest: string;
} {
  const captures = new RegExp(CAPTURE, "g");
  return {
    names: [...text.matchAll(captures)].map(([, name = ""]) => name),
    rest: text.replace(captures, ""),
  };
}

/** Whether the canonical hostname is an IP address, for which no ACME order by DNS exists. */
export function isAddress(canonical: string): boolean {
  return isIPv4(canonical) || isIPv6(canonical);
}

/**
 * Whether a canonical label can be a name's: one with the prefix of ASCII forms must stand for characters (RFC 5890
 * section 2.3.2.1). Caddy refuses every configuration with a certificate for one that does not.
 */
export function isPossibleLabel(label: string): boolean {
  if (!label.startsWith("xn--")) return true;
  const characters = domainToUnicode(label);
  return characters !== label && domainToASCII(characters) === label;
}

function parseAddress(text: string): Hostname | HostnameProblem | undefined {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (isIPv4(bare) && bare === text) return literal(text);
  if (!isIPv6(bare) || bare.includes("%")) return undefined;
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  if (!canonical.startsWith("::ffff:")) return literal(canonical);
  return {
    problem: `${quote(text)} is an IPv4 address in IPv6 form; write the IPv4 address`,
    inPattern: false,
  };
}

function literal(canonical: string): Hostname {
  return { canonical, kind: "literal", labels: [canonical], captures: new Map(), shape: canonical };
}

/** Names what makes a text no hostname at all, before labels are looked at. */
function foreignCharacters(text: string): string | undefined {
  if (text.includes("://")) return `${quote(text)} is a URL; leave out the scheme and the path`;
  if (text.includes("/")) return `${quote(text)} has a path; put it into match.path`;
  if (/\s/.test(text)) return `${quote(text)} has spaces; leave them out`;
  if (/:.*:/.test(text)) return `${quote(text)} is not an IPv6 address such as 2001:db8::1`;
  if (text.includes(":")) return `${quote(text)} has a port; put it into match.port`;
  // Compatibility forms count as what UTS 46 makes of them, so that no full-width `/` or `{` slips by.
  const ascii = text.normalize("NFKC").replace(new RegExp(NON_ASCII, "g"), "");
  if (ASCII_OF_HOSTNAMES.test(ascii)) return undefined;
  return `${quote(text)} has characters that no hostname has; use letters, digits, - and _`;
}

/** The checks and messages of hypeman's pattern parser, in its order. */
function checkPattern(text: string, labels: readonly string[]): string | undefined {
  if (labels.length < 2) return `hostname pattern ${quote(text)} must have at least two parts`;
  const seen = new Set<string>();
  for (const label of labels) {
    const [whole, name] = CAPTURE.exec(label) ?? [];
    if (whole === undefined || name === undefined) continue;
    if (whole !== label) {
      return `mixed captures like ${quote(label)} are not supported, use pure captures like {name}`;
    }
    if (seen.has(name)) return `duplicate capture name ${quote(name)} in pattern`;
    seen.add(name);
  }
  return undefined;
}

function canonicalLabel(label: string): string | { readonly problem: string } {
  if (label === "*") return label;
  const capture = CAPTURE.exec(label)?.[0];
  if (label === "") return { problem: "has an empty label; write one dot between labels" };
  if (label.length > MAX_LABEL_LENGTH) {
    return { problem: `has a label longer than ${MAX_LABEL_LENGTH} characters (RFC 1035 section 2.3.4)` };
  }
  if (capture !== undefined) return label;
  if (/[{}]/.test(label)) {
    return { problem: "has { or } outside a capture; a capture is a whole label such as {instance}" };
  }
  if (label.includes("*"))
    return { problem: "has a * inside a label; a * stands for a whole label, as in *.example.com" };
  const ascii = NON_ASCII.test(label) ? domainToASCII(label) : label.toLowerCase();
  if (!LABEL.test(ascii)) {
    return {
      problem: `has the invalid label ${quote(label)}; use letters, digits, - and _, and no - at either end`,
    };
  }
  if (ascii.length > MAX_LABEL_LENGTH) {
    return { problem: `has a label longer than ${MAX_LABEL_LENGTH} characters in its ASCII form` };
  }
  if (!isPossibleLabel(ascii)) {
    return {
      problem: `has the label ${quote(label)} that is no ASCII form of any name; write the name in its own characters`,
    };
  }
  return ascii;
}

function describe(labels: readonly string[]): Hostname {
  const canonical = labels.join(".");
  const captures = new Map<string, number>();
  for (const [index, label] of labels.entries()) {
    if (label.startsWith("{")) captures.set(label.slice(1, -1), index);
  }
  return {
    canonical,
    kind: kindOf(labels, captures.size),
    labels,
    captures,
    shape: hostnameShape(canonical),
  };
}

function kindOf(labels: readonly string[], captureCount: number): HostnameKind {
  if (captureCount > 0) return "pattern";
  if (!labels.includes("*")) return "literal";
  return labels.length === 1 ? "catch_all" : "wildcard";
}
