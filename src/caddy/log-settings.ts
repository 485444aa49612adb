import path from "node:path";
import type { LogConfig, LoggingConfig } from "../caddy-json/config.ts";

/** Size at which Caddy starts a new log file, in MiB. */
const ROLL_SIZE_MB = 10;
/** Old log files that stay. */
const ROLL_KEEP = 3;

/** Path of the log that Caddy writes and rotates itself. */
export function caddyLogPath(folder: string): string {
  return path.join(folder, "caddy.log");
}

/**
 * The `logging` part of Caddy's configuration: JSON lines in `<folder>/caddy.log`, 0600, rotated by Caddy, since it
 * must go on when the manager is not there (https://caddyserver.com/docs/json/logging/logs/writer/file/).
 * `admin.api` is left out: it writes a line with all headers for each of our own requests, and what it would report
 * is in the answer to them. So is the rate limiter, which writes a line for each request that it refuses: the dispatcher
 * counts and samples these. And so, unless `level` is DEBUG, is the reverse proxy: it renders each request as JSON before
 * it looks whether that is to be logged, some 6 % of what a request costs. Failed requests and broken answers are
 * in the dispatcher's log, with their rule.
 */
export function caddyLogging(folder: string, level: LogConfig["level"]): LoggingConfig {
  return {
    logs: {
      default: {
        level,
        writer: {
          output: "file",
          filename: caddyLogPath(folder),
          mode: "0600",
          roll_size_mb: ROLL_SIZE_MB,
          roll_keep: ROLL_KEEP,
          roll_gzip: false,
        },
        encoder: { format: "json" },
        exclude: [
          "admin.api",
          "http.handlers.rate_limit",
          ...(level === "DEBUG" ? [] : ["http.handlers.reverse_proxy"]),
        ],
      },
    },
  };
}
