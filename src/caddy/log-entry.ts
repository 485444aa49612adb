import type { LogFields } from "../log.ts";
import type { Scrub } from "./scrub.ts";

/** A line of Caddy's log in our terms. */
export interface CaddyLogEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** What would say who asked for what; it stays in caddy.log. Nested objects, such as `request`, stay there too. */
const privateKeys: ReadonlySet<string> = new Set([
  "uri",
  "remote",
  "remote_ip",
  "remote_port",
  "remote_addr",
  "client_ip",
  "user_id",
  "user_agent",
]);

/** Caddy's own names for what our entries have already, or do not need. */
const renamed: { readonly [key: string]: string | undefined } = { logger: "caddy_logger", ts: "caddy_ts" };
const dropped: ReadonlySet<string> = new Set(["level", "msg", "stacktrace", "err_trace"]);

/**
 * Reads a line of zap's JSON encoder (https://caddyserver.com/docs/logging). Undefined for other text, which is not
 * passed on, since nobody knows what is in it.
 */
export function parseLogEntry(line: string, scrub: Scrub): CaddyLogEntry | undefined {
  const parsed = parseObject(line);
  if (parsed === undefined || typeof parsed["msg"] !== "string") return undefined;
  const fields: { [key: string]: unknown } = {};
  for (const [key, value] of Object.entries(parsed)) {
    if (dropped.has(key) || privateKeys.has(key)) continue;
    const plain = plainValue(value, scrub);
    if (plain !== undefined) fields[renamed[key] ?? key] = plain;
  }
  const level = routine.has(parsed["msg"]) ? "debug" : levelOf(parsed["level"], parsed["logger"]);
  return { level, message: scrub(parsed["msg"]), fields };
}

/**
 * Warnings of what is so on purpose: at each load for each plain port, and for a Unix socket as admin endpoint; and at
 * the end of a Caddy, of which the manager tells what is worth telling.
 */
const routine: ReadonlySet<string> = new Set([
  "HTTP/2 skipped because it requires TLS",
  "HTTP/3 skipped because it requires TLS",
  "admin endpoint on open interface; host checking disabled",
  "exiting; byeee!! 👋",
]);

/** What Caddy says at `info` is news where it is about certificates; each start and reload says the rest again. */
const NEWS = /^tls\.(?:obtain|renew|issuance|on_demand)/;

function parseObject(line: string): { readonly [key: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? (value as { readonly [key: string]: unknown })
      : undefined;
  } catch {
    return undefined;
  }
}

function plainValue(value: unknown, scrub: Scrub): unknown {
  if (typeof value === "string") return scrub(value);
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (!Array.isArray(value)) return undefined;
  return value
    .filter((item) => typeof item === "string" || typeof item === "number")
    .map((item) => scrub(String(item)));
}

function levelOf(level: unknown, logger: unknown): CaddyLogEntry["level"] {
  switch (level) {
    case "info":
      return typeof logger === "string" && NEWS.test(logger) ? "info" : "debug";
    case "debug":
    case "warn":
      return level;
    default:
      // error, panic, fatal, and whatever Caddy may think of next.
      return "error";
  }
}
