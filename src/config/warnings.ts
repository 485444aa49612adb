import { isLoopback } from "./kinds.ts";
import { misspeltNames } from "./misspelt.ts";
import type { Environment, Values } from "./read.ts";

/** Where Caddy's admin endpoint is. */
export interface AdminConfig {
  /** `unix//path`, or an IP address. */
  readonly adminAddress: string;
  /** Absent with a Unix socket. */
  readonly adminPort?: number;
}

/** What an operator should know, but does not stop the start. */
export function warningsOf(values: Values, environment: Environment, admin: AdminConfig): readonly string[] {
  return [
    ...misspeltNames(environment),
    ...weakSecret(values),
    ...looseProvider(values),
    ...openAdmin(admin),
    ...clearTokens(values),
  ];
}

function openAdmin({ adminAddress, adminPort }: AdminConfig): readonly string[] {
  if (adminPort === undefined) return [];
  return [
    `Caddy's admin endpoint is at ${adminAddress}:${adminPort}, where every user of this machine can drive Caddy and read its files; ` +
      "without CADDY_ADMIN_PORT and CADDY_ADMIN_ADDRESS it is a socket that only its owner opens",
  ];
}

function looseProvider(values: Values): readonly string[] {
  const url = URL.parse(values.text("JWT_JWKS_URL") ?? "");
  if (url === null) return [];
  const isLocal = url.hostname === "localhost" || isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  return [
    ...(url.protocol === "https:" || isLocal
      ? []
      : ["JWT_JWKS_URL is not https: whoever is on the way to it can sign tokens that do everything"]),
    ...(values.text("JWT_AUDIENCE") === undefined
      ? ["without JWT_AUDIENCE tokens that the identity provider signs for other applications are taken too"]
      : []),
  ];
}

function clearTokens(values: Values): readonly string[] {
  const isClear = values.has("API_HOSTNAME") && !values.flag("API_TLS");
  if (!isClear || isLoopback(values.text("CADDY_LISTEN_ADDRESS") ?? "")) return [];
  return [
    "API_TLS=false: tokens for API_HOSTNAME travel in clear; whoever reads them on the way may use them",
  ];
}

function weakSecret(values: Values): readonly string[] {
  return ["JWT_SECRET", "JWT_SECRET_PREVIOUS"].flatMap((name) => {
    const length = Buffer.byteLength(values.text(name) ?? "");
    // RFC 7518 section 3.2: a key at least as long as the hash.
    return length === 0 || length >= 32
      ? []
      : [`${name} has ${length} bytes; 32 or more are safe against guessing`];
  });
}
