import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { parse } from "dotenv";
import { buildConfig, type Config, type ServiceConfig } from "./config/build.ts";
import { calledAs } from "./config/called-as.ts";
import { inconsistencies } from "./config/consistency.ts";
import { withHypemanNames } from "./config/hypeman-names.ts";
import { type Environment, readSettings } from "./config/read.ts";
import { removedSettings } from "./config/removed.ts";
import { Secret } from "./config/secret.ts";
import { mergeEnvironments, readSecretFiles } from "./config/secret-files.ts";
import { GatewrightError, type Problem } from "./errors.ts";

export { caddysSocket } from "./config/api.ts";
export type { Config } from "./config/build.ts";
export type { Duration } from "./config/duration.ts";
export { choosePorts } from "./config/ports.ts";
export { Secret } from "./config/secret.ts";
export type { LogLevel, Subsystem } from "./config/settings.ts";

export interface LoadOptions {
  /** A file of settings for what the environment does not have. Default: `.env` in the working directory; may be missing. */
  readonly envFile?: string;
  /** Default: whether the process runs as root. */
  readonly isRoot?: boolean;
}

/**
 * Reads the settings from the environment and `.env`. The only reader of `process.env`.
 * Throws `config_invalid` with every wrong setting in its details, each with the remedy.
 */
export function loadConfig(environment: Environment = process.env, options: LoadOptions = {}): Config {
  const file = readEnvFile(options.envFile ?? path.resolve(".env"));
  // Each by itself: a name of hypeman's in the environment goes before one of ours in the file.
  const given = mergeEnvironments(withHypemanNames(environment), withHypemanNames(file));
  const secrets = readSecretFiles(given);
  const merged = secrets.environment;
  const { values, problems } = readSettings(merged);
  const isRoot = options.isRoot ?? process.getuid?.() === 0;
  const dataDir = values.text("DATA_DIR") ?? defaultDataDir(merged, isRoot);
  const built = buildConfig(values, merged, dataDir);
  const config = {
    ...built,
    /** Files that secrets were read from, by the secret's variable. */
    secretFiles: secrets.files,
    /** What systemd, where it started this process, wants to be told (sd_notify(3), sd_watchdog_enabled(3)). */
    service: serviceOf(environment),
    /** How a person calls the command line, for what is shown to one. */
    calledAs: calledAs(environment),
    warnings: [...built.warnings, ...secrets.warnings],
  };
  const wrong = [...secrets.problems, ...problems, ...removedSettings(merged)];
  const all = [...wrong, ...inconsistencies(values, config).filter((conflict) => !concerns(conflict, wrong))];
  if (all.length > 0) throw invalid(all);
  return deepFreeze(config);
}

/** Whether a conflict is with a setting that is wrong by itself: its default was looked at, which nobody asked for. */
function concerns({ message }: Problem, problems: readonly Problem[]): boolean {
  return problems.some(({ field = "" }) => new RegExp(`\\b${field.replace(/_FILE$/, "")}\\b`).test(message));
}

function invalid(problems: readonly Problem[]): GatewrightError {
  const count = problems.length === 1 ? "1 setting is" : `${problems.length} settings are`;
  const lines = problems.map((problem) => `  ${problem.message}`);
  return new GatewrightError("config_invalid", `${count} wrong:\n${lines.join("\n")}`, { details: problems });
}

function serviceOf({ NOTIFY_SOCKET, WATCHDOG_USEC }: Environment): ServiceConfig {
  const watchdogMs = Number(WATCHDOG_USEC ?? 0) / 1000;
  return {
    ...(NOTIFY_SOCKET ? { notifySocket: NOTIFY_SOCKET } : {}),
    ...(watchdogMs > 0 ? { watchdogMs } : {}),
  };
}

function readEnvFile(file: string): Environment {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw invalid([
      {
        code: "invalid_value",
        field: ".env",
        message: `${file} cannot be read (${code}); make it readable or remove it`,
      },
    ]);
  }
}

function defaultDataDir(environment: Environment, isRoot: boolean): string {
  if (isRoot) return "/var/lib/gatewright";
  const state = environment["XDG_STATE_HOME"];
  if (state !== undefined && path.isAbsolute(state)) return path.join(state, "gatewright");
  return path.join(environment["HOME"] || homedir(), ".local", "state", "gatewright");
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Secret) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
