import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewrightError } from "../errors.ts";
import type { AdminClient } from "./admin-client.ts";
import { bindFailure } from "./admin-refusal.ts";
import {
  awaitEnd,
  environmentOf,
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from "./process-identity.ts";
import {
  type CaddyPaths,
  configPath,
  handoverPath,
  isDraining,
  isOurCommandLine,
  writePid,
} from "./running-caddy.ts";
import type { Scrub } from "./scrub.ts";
import { EMPTY_AT_BYTES, failureReason, openStderrFile } from "./stderr-file.ts";

export interface LaunchOptions {
  readonly paths: CaddyPaths;
  readonly admin: AdminClient;
  /** Caddy's environment beside its XDG folders. */
  readonly environment: { readonly [name: string]: string | undefined };
  readonly scrub: Scrub;
  /** From spawn to the first answer. */
  readonly startMs: number;
  readonly stopMs: StopTiming;
  /** Ends the wait; the process is left as it is. */
  readonly signal: AbortSignal;
  /** The process that serves until the new one takes its sockets over, and that finishes what it has within `drain`. */
  readonly predecessor?: ProcessIdentity;
  /** For who replaces this one, in Go's form. */
  readonly drain: string;
}

/** Patience with a process that shall end, in milliseconds. */
export interface StopTiming {
  /** After SIGTERM, on which Caddy closes its listeners and lets requests finish. */
  readonly gracefulMs: number;
  /** After SIGKILL. */
  readonly killMs: number;
}

/** How a process ended. */
export interface ChildEnd {
  readonly exitCode?: number;
  readonly signal?: string;
}

/** A started Caddy that answers. */
export interface Launched extends ProcessIdentity {
  readonly ended: Promise<ChildEnd>;
  /** The last lines that it wrote to its standard error, without secrets. */
  output(): string;
}

/**
 * Starts `caddy run --config <folder>/config.json` in a session of its own and waits for its admin endpoint.
 * Throws `caddy_start_failed` with Caddy's own reason; its details name a listener that could not be bound.
 */
export async function launchCaddy(options: LaunchOptions): Promise<Launched> {
  const { paths, scrub } = options;
  const stderr = openStderrFile(paths.folder);
  const child = spawn(paths.binary, ["run", "--config", configPath(paths)], {
    cwd: paths.folder,
    detached: true,
    stdio: ["ignore", stderr.fd, stderr.fd],
    env: childEnvironment(options),
  });
  stderr.close();
  child.unref();
  const ended = childEnd(child);
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity !== undefined && options.predecessor === undefined) await writePid(paths, identity.pid);
  const outcome = await raceReadiness(ended, options);
  if (identity !== undefined && outcome === "ready") {
    if (options.predecessor !== undefined) await writePid(paths, identity.pid);
    return {
      ...identity,
      ended: ended.then(({ error: _, ...end }) => end),
      output: () => scrub(stderr.tail(20)),
    };
  }
  if (outcome === "abandoned") throw new GatewrightError("shutting_down", "Gatewright is stopping");
  if (identity !== undefined) await endProcess(identity, options.stopMs);
  throw startFailure(outcome, stderr.tail(200), options);
}

/**
 * Ends exactly this process: SIGTERM, which is as gentle as Caddy's `POST /stop` and cannot reach another Caddy at
 * the same address, then SIGKILL. Throws `caddy_start_failed` when it cannot be ended.
 */
export async function endProcess(identity: ProcessIdentity, timing: StopTiming): Promise<void> {
  const steps = [
    ["SIGTERM", timing.gracefulMs],
    ["SIGKILL", timing.killMs],
  ] as const;
  for (const [signal, waitMs] of steps) {
    try {
      if (!signalProcess(identity, signal)) return;
    } catch (cause) {
      const message = `Process ${identity.pid} is our Caddy, but belongs to another user; stop it first`;
      throw new GatewrightError("caddy_start_failed", message, { cause });
    }
    if (await awaitEnd(identity, waitMs)) return;
  }
  throw new GatewrightError("caddy_start_failed", `Caddy, process ${identity.pid}, does not end`);
}

type Outcome = "ready" | "late" | "abandoned" | (ChildEnd & { readonly error?: string });

function childEnd(child: ChildProcess): Promise<ChildEnd & { readonly error?: string }> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ error: error.message }));
    child.once("exit", (exitCode, signal) => {
      resolve({ ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) });
    });
  });
}

async function raceReadiness(ended: Promise<Outcome>, options: LaunchOptions): Promise<Outcome> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.signal]);
  try {
    return await Promise.race([ended, awaitReady(options, signal)]);
  } finally {
    over.abort();
  }
}

async function awaitReady(
  { admin, paths, startMs, predecessor }: LaunchOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const deadline = performance.now() + startMs;
  // Until then the other one answers at the admin address, in the same words.
  let serves = predecessor === undefined;
  while (performance.now() < deadline) {
    if (!serves && predecessor !== undefined) {
      serves = isDraining(paths, predecessor.pid) || !isAlive(predecessor);
      if (serves) admin.renew();
    }
    const probe = serves ? await admin.probe() : undefined;
    if (signal.aborted) return "abandoned";
    if (probe?.kind === "caddy" && isOurCommandLine(probe.args, paths) && (await admin.isLoaded()))
      return "ready";
    await sleep(20, undefined, { signal }).catch(() => undefined);
  }
  return "late";
}

/** What differs from shell to shell, and does not change how Caddy serves; and what is ours. */
const INDIFFERENT = /^(?:PATH|HOME|LANG|TMPDIR|XDG_.*|GATEWRIGHT_.*)$/;

/** Whether a Caddy was started with other values of the environment, which only another process takes. */
export function hasOtherEnvironment(pid: number, wanted: LaunchOptions["environment"]): boolean {
  const has = environmentOf(pid);
  if (has === undefined) return false;
  const names = new Set([...has.keys(), ...Object.keys(wanted)].filter((name) => !INDIFFERENT.test(name)));
  return [...names].some((name) => has.get(name) !== wanted[name]);
}

function childEnvironment({ paths, environment, drain }: LaunchOptions): NodeJS.ProcessEnv {
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    ...environment,
    // Caddy's own folders, as hypeman's data folder has them.
    XDG_DATA_HOME: path.join(paths.folder, "data"),
    XDG_CONFIG_HOME: path.join(paths.folder, "config"),
    GATEWRIGHT_HANDOVER: handoverPath(paths),
    GATEWRIGHT_DRAIN_TIMEOUT: drain,
    GATEWRIGHT_STDERR_LIMIT: String(EMPTY_AT_BYTES),
  };
}

function startFailure(outcome: Outcome, tail: string, { scrub, startMs }: LaunchOptions): GatewrightError {
  const how =
    typeof outcome === "string"
      ? `did not answer within ${startMs / 1000} s`
      : (outcome.error ?? `ended with ${outcome.signal ?? `code ${outcome.exitCode}`}`);
  const message = `Caddy could not be started: it ${how}: ${failureReason(tail, scrub)}`;
  return new GatewrightError("caddy_start_failed", message, { details: bindFailure(tail)?.details ?? [] });
}
