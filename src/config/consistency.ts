import type { Problem } from "../errors.ts";
import { caddysSocket } from "./api.ts";
import type { Config } from "./build.ts";
import { isLoopback } from "./kinds.ts";
import { listenersOf } from "./ports.ts";
import type { Values } from "./read.ts";
import { storeProblems } from "./store.ts";
import { otlpProblems } from "./telemetry.ts";

/** What is wrong between settings that are right each by itself. */
export function inconsistencies(values: Values, config: Config): readonly Problem[] {
  return [
    ...missingSettings(values, config),
    ...portConflicts(config),
    ...socketProblems(values, config),
    ...otlpProblems(values),
    ...storeProblems(values),
  ];
}

/** Settings that others make necessary. */
function missingSettings(values: Values, config: Config): readonly Problem[] {
  const problems: Problem[] = [];
  const need = (field: string, message: string) => {
    if (values.text(field) === undefined) problems.push({ code: "required", field, message });
  };
  const { addresses, hostname, identityProvider, loopback } = config.api;
  const open = addresses.find((address) => !isLoopback(address));
  if (!loopback && identityProvider === undefined)
    need(
      "JWT_SECRET",
      open === undefined
        ? "JWT_SECRET or JWT_JWKS_URL is needed since API_HOSTNAME lets other machines call the API; set one of them, or unset API_HOSTNAME"
        : `JWT_SECRET or JWT_JWKS_URL is needed since LISTEN_ADDRESS=${open} lets other machines call the API; set one of them, or listen on 127.0.0.1`,
    );
  if (hostname?.tls === true && config.tls.issuer === "acme")
    need(
      "ACME_EMAIL",
      "ACME_EMAIL is needed for the certificate of API_HOSTNAME; set it to a mail address, or TLS_ISSUER=internal for Caddy's own authority, or API_TLS=false",
    );
  for (const name of ["JWT_ISSUER", "JWT_AUDIENCE"])
    if (values.text(name) !== undefined)
      need(
        "JWT_JWKS_URL",
        `JWT_JWKS_URL is needed for ${name}, which is about its tokens; set both, or neither`,
      );
  if (values.text("JWT_SECRET_PREVIOUS") !== undefined)
    need(
      "JWT_SECRET",
      "JWT_SECRET is needed for JWT_SECRET_PREVIOUS, which alone would leave the API open; set it to the new key",
    );
  const { source } = config.instances;
  if (source === "file")
    need(
      "INSTANCE_FILE",
      "INSTANCE_FILE is needed for INSTANCE_SOURCE=file; name the file with the instances",
    );
  if (source === "hypeman")
    need("HYPEMAN_URL", "HYPEMAN_URL is needed for INSTANCE_SOURCE=hypeman; set it to hypeman's base URL");
  if (values.text("ACME_DNS_PROVIDER") !== undefined) {
    need(
      "ACME_EMAIL",
      "ACME_EMAIL is needed for ACME_DNS_PROVIDER; set it to a mail address, or unset the provider",
    );
    need(
      "CLOUDFLARE_API_TOKEN",
      "CLOUDFLARE_API_TOKEN is needed for ACME_DNS_PROVIDER=cloudflare; set it, or unset the provider",
    );
  }
  for (const prefix of ["ACME_EAB", "ACME_FALLBACK_EAB"]) {
    const [id, key] = [`${prefix}_KEY_ID`, `${prefix}_HMAC_KEY`] as const;
    if (values.text(id) !== undefined) need(key, `${key} is needed for ${id}; set both, or neither`);
    if (values.text(key) !== undefined) need(id, `${id} is needed for ${key}; set both, or neither`);
  }
  return [...problems, ...malformedToken(values)];
}

/** The plugin's own check: a token that fails it would stop Caddy from loading anything. */
function malformedToken(values: Values): readonly Problem[] {
  const token = values.text("CLOUDFLARE_API_TOKEN");
  // Without the provider it is not used.
  if (values.text("ACME_DNS_PROVIDER") === undefined) return [];
  if (token === undefined || /^[A-Za-z0-9_-]{35,50}$/.test(token)) return [];
  const message =
    "CLOUDFLARE_API_TOKEN is not an API token (35 to 50 letters, digits, - and _); make one in the Cloudflare " +
    "dashboard under My Profile, API Tokens, without quotes or braces. Global API keys do not work";
  return [{ code: "invalid_value", field: "CLOUDFLARE_API_TOKEN", message }];
}

/** Two listeners of ours that would take each other's port. */
function portConflicts(config: Config): readonly Problem[] {
  const listeners = listenersOf(config).filter(({ port }) => port !== 0);
  const overlap = (one: string, other: string) =>
    one === other || [one, other].some((address) => ["0.0.0.0", "::"].includes(address));
  return listeners.flatMap((one, index) =>
    listeners
      .slice(index + 1)
      .filter((other) => other.port === one.port && overlap(one.address, other.address))
      .map((other) => ({
        code: "invalid_value" as const,
        ...(other.name === one.name
          ? {
              field: "LISTEN_ADDRESS",
              message: `LISTEN_ADDRESS: ${one.address} and ${other.address} cannot both have the port ${one.port}; name one of them`,
            }
          : {
              field: other.name,
              message: `${other.name} and ${one.name} are both ${one.port} on the same address; choose another port for one of them`,
            }),
      })),
  );
}

/** `sun_path` has 108 bytes, the last of which is zero: unix(7). */
const MOST_SOCKET_BYTES = 107;

/** Sockets that could not be made, or would be read otherwise. */
function socketProblems(values: Values, config: Config): readonly Problem[] {
  return [...adminSocketProblems(values, config), ...apiSocketProblems(config)];
}

function apiSocketProblems({ api, dataDir }: Config): readonly Problem[] {
  const problem = (field: string, message: string) => ({ code: "invalid_value" as const, field, message });
  const long = api.sockets
    .filter((socket) => Buffer.byteLength(socket) > MOST_SOCKET_BYTES)
    .map((socket) =>
      problem(
        "LISTEN_ADDRESS",
        `LISTEN_ADDRESS: the socket ${socket} has ${Buffer.byteLength(socket)} bytes, and the operating system takes ${MOST_SOCKET_BYTES} bytes; choose a shorter path`,
      ),
    );
  if (api.hostname === undefined) return long;
  const own = caddysSocket(dataDir);
  if (Buffer.byteLength(own) <= MOST_SOCKET_BYTES && !/[|{}]/.test(own)) return long;
  const message = `DATA_DIR: the socket by which Caddy reaches the API for API_HOSTNAME, ${own}, may have ${MOST_SOCKET_BYTES} bytes, and neither |, { nor }; choose a shorter, plain path, or unset API_HOSTNAME`;
  return [...long, problem("DATA_DIR", message)];
}

/** A socket that Caddy could not make or would read otherwise. */
function adminSocketProblems(values: Values, { caddy: { adminAddress } }: Config): readonly Problem[] {
  if (!adminAddress.startsWith("unix/")) return [];
  const socket = adminAddress.slice("unix/".length);
  const field = values.has("CADDY_ADMIN_ADDRESS") ? "CADDY_ADMIN_ADDRESS" : "DATA_DIR";
  const bytes = Buffer.byteLength(socket);
  const problem = (what: string): readonly Problem[] => {
    const message = `${field}: the socket of Caddy's admin endpoint, ${socket}, ${what}; set CADDY_ADMIN_ADDRESS=unix//run/gatewright/caddy.sock or another short path`;
    return [{ code: "invalid_value", field, message }];
  };
  if (bytes > MOST_SOCKET_BYTES)
    return problem(`has ${bytes} bytes, and the operating system takes ${MOST_SOCKET_BYTES} bytes`);
  // Caddy takes what follows a bar for the mode, and braces for placeholders.
  return /[|{}]/.test(socket) ? problem("must not contain |, { and }") : [];
}
