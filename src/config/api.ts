import path from "node:path";
import { isLoopback } from "./kinds.ts";
import type { Values } from "./read.ts";
import { duration, optional, secret, text } from "./readers.ts";

function identityProviderConfig(values: Values) {
  const jwksUrl = values.text("JWT_JWKS_URL");
  if (jwksUrl === undefined) return undefined;
  return {
    jwksUrl,
    ...optional("issuer", values.text("JWT_ISSUER")),
    ...optional("audience", values.text("JWT_AUDIENCE")),
  };
}

/** Where the API is reached, and by whom. */
export function apiConfig(values: Values) {
  const listen = values.list("LISTEN_ADDRESS");
  const addresses = listen.filter((address) => !address.startsWith(SOCKET));
  const name = values.text("API_HOSTNAME");
  const byCaddy = name === undefined ? [] : [text(values, "CADDY_LISTEN_ADDRESS")];
  const tls = values.flag("API_TLS");
  return {
    /** IP addresses, each with the port. */
    addresses,
    /** 0 until `choosePorts` has chosen one; the same for every port here. */
    port: values.number("PORT"),
    /** Paths of Unix sockets. */
    sockets: listen
      .filter((address) => address.startsWith(SOCKET))
      .map((address) => path.normalize(address.slice(SOCKET.length))),
    /** Name or number. */
    ...optional("socketGroup", values.text("LISTEN_SOCKET_GROUP")),
    /** Present: Caddy serves the API by this name. */
    ...optional(
      "hostname",
      name === undefined ? undefined : { name, tls, redirect: tls && values.flag("API_REDIRECT_HTTP") },
    ),
    ...optional("secret", secret(values, "JWT_SECRET")),
    ...optional("previousSecret", secret(values, "JWT_SECRET_PREVIOUS")),
    /** Absent: JWTs are those that are signed with the secrets. */
    ...optional("identityProvider", identityProviderConfig(values)),
    sessionDuration: duration(values, "API_SESSION_DURATION"),
    allowedHosts: values.list("API_ALLOWED_HOSTS"),
    /** Whether only this machine reaches the API. */
    loopback: [...addresses, ...byCaddy].every(isLoopback),
  };
}

/** The socket by which Caddy alone reaches the API. */
export function caddysSocket(dataDir: string): string {
  return path.join(dataDir, "caddy", "api.sock");
}

/** What stands before the path of a socket. */
const SOCKET = "unix/";
