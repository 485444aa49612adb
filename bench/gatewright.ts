import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { testCacheDir } from "../test/support/caddy-binary.ts";
import { freePort } from "../test/support/free-port.ts";
import { atExit } from "./at-exit.ts";
import { HttpClient } from "./http-client.ts";
import { cpuSeconds } from "./process-usage.ts";

const main = join(import.meta.dirname, "../src/main.ts");
/** How often a starting manager is asked whether it is ready: the resolution of start times. */
const POLL_MS = 5;
const START_TIMEOUT_MS = 120_000;

/** Manager and Caddy as processes of their own, on loopback ports. */
export interface Gatewright extends AsyncDisposable {
  readonly dataDir: string;
  readonly ports: { readonly api: number; readonly admin: number; readonly dns: number };
  managerPid(): number;
  /** What the manager has printed last. */
  output(): string;
  caddyPid(): Promise<number>;
  /** Starts the manager, with more settings where they are given; resolves when `/ready` answers 200. */
  start(more?: NodeJS.ProcessEnv): Promise<StartTime>;
  /** Ends the manager with SIGKILL; Caddy goes on. */
  kill(): Promise<void>;
}

/** Another program took a port between its choice and its use: try again with others. */
export class PortTaken extends Error {}

/** From the start of the manager's process until it is ready. */
export interface StartTime {
  readonly wallMs: number;
  /** Processor time of the manager in it: what a busy machine does not change much. */
  readonly cpuMs: number;
}

export interface GatewrightOptions {
  readonly dataDir: string;
  readonly caddyBinary: string;
  /** More settings, such as HTTP_PORT. */
  readonly environment: NodeJS.ProcessEnv;
}

/** A Gatewright that is not started yet. Its data folder is removed when it is disposed of. */
export async function prepareGatewright(options: GatewrightOptions): Promise<Gatewright> {
  const { dataDir, caddyBinary } = options;
  const ports = { api: await freePort(), admin: await freePort(), dns: await freePort() };
  const environment: NodeJS.ProcessEnv = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    DATA_DIR: dataDir,
    PORT: String(ports.api),
    CADDY_ADMIN_PORT: String(ports.admin),
    INTERNAL_DNS_PORT: String(ports.dns),
    CADDY_LISTEN_ADDRESS: "127.0.0.1",
    CADDY_BIN: caddyBinary,
    // As `npm start` has it (scripts/run.mjs).
    NODE_COMPILE_CACHE: join(testCacheDir, "compile"),
    ...options.environment,
  };
  let manager: Manager | undefined;
  const pidFile = join(dataDir, "caddy/caddy.pid");
  const caddyPid = async () => Number(await readFile(pidFile, "utf8"));
  const forget = atExit(() => {
    // The manager first, which would start Caddy again.
    manager?.child.kill("SIGKILL");
    if (existsSync(pidFile)) endProcess(Number(readFileSync(pidFile, "utf8")));
    rmSync(dataDir, { recursive: true, force: true });
  });
  return {
    dataDir,
    ports,
    managerPid: () => manager?.child.pid ?? 0,
    output: () => manager?.output() ?? "",
    caddyPid,
    async start(more = {}) {
      const began = performance.now();
      manager = launch({ ...environment, ...more });
      await untilReady(manager, ports.api);
      const wallMs = performance.now() - began;
      return { wallMs, cpuMs: (await cpuSeconds(manager.child.pid ?? 0)) * 1000 };
    },
    async kill() {
      await manager?.end("SIGKILL");
    },
    async [Symbol.asyncDispose]() {
      forget();
      await manager?.end("SIGTERM");
      await caddyPid().then(endProcess, () => {});
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Manager {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
}

function launch(env: NodeJS.ProcessEnv): Manager {
  // A session of its own; see child.ts.
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const ended = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-8000);
    });
  return {
    child,
    output: () => output,
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

async function untilReady({ child, output }: Manager, port: number): Promise<void> {
  const client = new HttpClient(port);
  const deadline = performance.now() + START_TIMEOUT_MS;
  try {
    for (;;) {
      const answer = await client.send({ path: "/ready" }).catch(() => undefined);
      // A port that cannot be bound is left out, and the manager is ready all the same.
      if (/address_in_use|already in use|port cannot be served/.test(output()))
        throw new PortTaken(`a port was taken meanwhile: ${answer?.body}\n${output()}`);
      if (answer?.status === 200) return;
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the manager ended:\n${output()}`);
      if (performance.now() > deadline)
        throw new Error(`the manager is not ready:\n${answer?.body}\n${output()}`);
      await wait(POLL_MS);
    }
  } finally {
    client.close();
  }
}

function endProcess(pid: number): void {
  if (!(pid > 1)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
