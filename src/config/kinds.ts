import { BlockList, isIP } from "node:net";
import { parseDuration } from "./duration.ts";
import { parsePair } from "./pairs.ts";

/** What values a setting takes. */
export type Kind =
  | "text"
  | "secret"
  | "port"
  | "boolean"
  | "count"
  | "share"
  | "duration"
  | "ip"
  | "listenAddresses"
  | "hostname"
  | "group"
  | "adminAddress"
  | "cidrs"
  | "hosts"
  | "domains"
  | "nameservers"
  | "zone"
  | "name"
  | "email"
  | "httpUrl"
  | "acmeCa"
  | "etcdUrls"
  | "keyPrefix"
  | "endpoint"
  | "pairs"
  | "path";

/** A value after reading and before checking: text that cannot be read stays text, and the check names it. */
export type Raw = string | number | boolean | readonly string[];

interface KindRule {
  /** What is taken, as a sentence's end: "must be …". */
  readonly takes: string;
  /** JSON Schema that ajv checks the value with; `format` names one of `formats`. */
  readonly schema: object;
  readonly read: (text: string) => Raw;
}

const list = (text: string): readonly string[] =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

const asText = (text: string): Raw => text;

function textOf(takes: string, format?: string): KindRule {
  return { takes, schema: { type: "string", ...(format === undefined ? {} : { format }) }, read: asText };
}

function listOf(takes: string, format: string, read: KindRule["read"] = list): KindRule {
  return {
    takes: `a comma-separated list of ${takes}`,
    schema: { type: "array", items: { type: "string", format } },
    read,
  };
}

/** Go's strconv.ParseBool, as hypeman reads its settings. */
function readBoolean(text: string): Raw {
  if (["1", "t", "true"].includes(text.toLowerCase())) return true;
  return ["0", "f", "false"].includes(text.toLowerCase()) ? false : text;
}

/** An address without a length is the network of that address alone. */
function readCidrs(text: string): Raw {
  return list(text).map((item) => (isIP(item) === 0 ? item : `${item}/${isIP(item) === 6 ? 128 : 32}`));
}

export const kinds: { readonly [kind in Kind]: KindRule } = {
  text: textOf("a text"),
  secret: textOf("a text"),
  port: {
    takes: "a port number from 1 to 65535, or 0 for one that is chosen once and kept",
    schema: { type: "integer", minimum: 0, maximum: 65_535 },
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  },
  boolean: { takes: "true or false", schema: { type: "boolean" }, read: readBoolean },
  count: {
    takes: "a whole number above zero",
    schema: { type: "integer", minimum: 1, maximum: 1_000_000 },
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  },
  share: {
    takes: "a number from 0 to 1, such as 0.01",
    schema: { type: "number", minimum: 0, maximum: 1 },
    read: (text) => (/^(?:\d+|\d*\.\d+)$/.test(text) ? Number(text) : text),
  },
  duration: textOf("a duration above zero in Go's form, such as 500ms, 30s or 2m", "duration"),
  ip: textOf("an IP address, such as 127.0.0.1 or ::1", "ip"),
  listenAddresses: {
    takes:
      "a comma-separated list of IP addresses, and sockets as unix/ and an absolute path, such as 127.0.0.1,unix//run/gatewright/api.sock",
    schema: { type: "array", minItems: 1, items: { type: "string", format: "listenAddress" } },
    read: (text) => [...new Set(list(text))],
  },
  hostname: {
    takes: "a host name, such as gatewright.example.com",
    schema: { type: "string", format: "hostname" },
    read: (text) => text.toLowerCase(),
  },
  group: textOf("the name or number of a group of this machine", "group"),
  adminAddress: textOf(
    "a loopback IP address, or unix/ and the absolute path of a socket, such as unix//run/caddy.sock",
    "adminAddress",
  ),
  cidrs: listOf("networks, such as 10.0.0.0/8,fd00::/8", "cidr", readCidrs),
  hosts: listOf("host names or IP addresses, without ports", "host"),
  domains: listOf("names (example.com), one-label wildcards (*.example.com) or *", "domain", (text) =>
    list(text).map((item) => item.toLowerCase()),
  ),
  nameservers: listOf("IP addresses or host names, each with a port if it isn't 53", "endpoint"),
  zone: textOf("a DNS name, such as hypeman.internal", "name"),
  name: {
    takes: "lowercase letters, digits and inner hyphens, such as edge-1",
    schema: { type: "string", pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" },
    read: asText,
  },
  email: textOf("a mail address", "email"),
  httpUrl: textOf("an http or https URL without user, query and fragment", "httpUrl"),
  acmeCa: textOf("staging, production, or the https URL of an ACME directory", "acmeCa"),
  etcdUrls: listOf(
    "http or https URLs of etcd members, with host and port alone, such as https://10.0.0.1:2379",
    "origin",
  ),
  keyPrefix: textOf("a text of visible characters without spaces, such as /gatewright/", "keyPrefix"),
  endpoint: textOf("a host and port, such as 127.0.0.1:4317, or an http(s) URL", "endpointOrUrl"),
  pairs: listOf("name=value, with %2C for a comma in a value", "pair"),
  path: textOf("a path, without ~ (which only a shell replaces: write the home folder out)", "path"),
};

const LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const NAME_PATTERN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`, "i");

const isName = (text: string): boolean => NAME_PATTERN.test(text);
const isHost = (text: string): boolean => isIP(text) !== 0 || isName(text);

function isCidr(text: string): boolean {
  const [address = "", length = ""] = text.split("/");
  const most = { 4: 32, 6: 128 }[isIP(address)];
  return (
    most !== undefined && /^\d{1,3}$/.test(length) && Number(length) <= most && text.split("/").length === 2
  );
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return false;
  return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return isHttpUrl(text) && url?.pathname === "/";
}

function isEndpoint(text: string): boolean {
  if (isHost(text)) return true;
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match !== null && isHost(match[1] ?? match[2] ?? "") && port >= 1 && port <= 65_535;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine reaches the address. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 6 ? "ipv6" : "ipv4");
}

function isAdminAddress(text: string): boolean {
  // Caddy's own form: `unix/` and the path, which is absolute; `|` would begin a mode.
  if (text.startsWith("unix/")) return /^unix\/\/[^|{}]+$/.test(text);
  return isLoopback(text);
}

function isListenAddress(text: string): boolean {
  return isIP(text) !== 0 || /^unix\/\/[^/\0][^\0]*$/.test(text);
}

/** ajv's formats that the kinds use. */
export const formats: { readonly [name: string]: (text: string) => boolean } = {
  duration: (text) => parseDuration(text) !== undefined,
  ip: (text) => isIP(text) !== 0,
  listenAddress: isListenAddress,
  hostname: (text) => isIP(text) === 0 && isName(text),
  group: (text) => /^(?:[a-z_][a-z0-9_.-]{0,31}|\d{1,10})$/i.test(text),
  adminAddress: isAdminAddress,
  cidr: isCidr,
  host: isHost,
  domain: (text) => text === "*" || isName(text.replace(/^\*\./, "")),
  name: isName,
  endpoint: isEndpoint,
  endpointOrUrl: (text) => isEndpoint(text) || isHttpUrl(text),
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  httpUrl: isHttpUrl,
  origin: isOrigin,
  keyPrefix: (text) => /^[\x21-\x7e]{1,200}$/.test(text),
  acmeCa: (text) =>
    text === "staging" || text === "production" || (isHttpUrl(text) && text.startsWith("https:")),
  pair: (text) => parsePair(text) !== undefined,
  path: (text) => !text.includes("\0") && !/^~[^/]*(?:\/|$)/.test(text),
};
