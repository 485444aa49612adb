import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { atExit } from "./at-exit.ts";

/** Output kept to explain a failure, in characters. */
const KEPT_OUTPUT = 4000;

/** A child process that ends with the benchmark. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote to its standard error last. */
  errors(): string;
  /** Rejects when the process ends. */
  readonly failure: Promise<never>;
}

export interface ChildOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Processors it is tied to, as taskset names them. Default: all. */
  readonly processors?: string;
}

function launch(command: string, args: readonly string[], options: ChildOptions): ChildProcess {
  const [program, all] =
    options.processors === undefined
      ? [command, args]
      : ["taskset", ["-c", options.processors, command, ...args]];
  return spawn(program, all, {
    // A session of its own, as Caddy has under Gatewright: Linux shares processors out by session (sched(7), autogroup).
    detached: true,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function keepErrors(child: ChildProcess): () => string {
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-KEPT_OUTPUT);
  });
  return () => errors;
}

/** Starts a server; it gets SIGKILL when it is disposed of. */
export async function startServer(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  const child = launch(command, args, options);
  const errors = keepErrors(child);
  child.stdout?.resume();
  const ended = once(child, "exit");
  const forget = atExit(() => child.kill("SIGKILL"));
  const failure = ended.then(() => {
    throw new Error(`${command} ${args.join(" ")} ended:\n${errors()}`);
  });
  failure.catch(() => {});
  await once(child, "spawn");
  return {
    pid: child.pid ?? 0,
    errors,
    failure,
    async [Symbol.asyncDispose]() {
      forget();
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A run of a command that prints JSON lines: `{"ready":true}`, then its report. */
export interface Run<T> {
  /** Resolves when the command says that it is ready. */
  readonly ready: Promise<void>;
  /** Ends the standard input, which ends a command without a duration of its own. */
  end(): void;
  /** The report. Rejects with the standard error when the command fails. */
  readonly report: Promise<T>;
}

/** Runs a command that prints JSON lines. `T` is what its last line holds. */
export function runReporting<T>(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Run<T> {
  const child = launch(command, args, options);
  const errors = keepErrors(child);
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const { value, done } = await lines.next();
    if (done !== true) return value;
    await exit;
    throw new Error(`${command} ${args.join(" ")} ended early: ${errors()}`);
  };
  const ready = nextLine().then(() => undefined);
  const report = ready.then(async () => JSON.parse(await nextLine()) as T);
  // A caller that waits for the other of the two learns of the failure there.
  for (const promise of [ready, report]) promise.catch(() => {});
  return { ready, report, end: () => child.stdin?.end() };
}
