import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtCaddy, testCacheDir } from "./caddy-binary.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
/** Runs instead of src/main.ts and dies where it is told to. */
export const crashMain = join(import.meta.dirname, "crash-main.ts");

/** A whole Gatewright in processes of its own: manager and Caddy. */
export interface Gatewright extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly ports: {
    readonly api: number;
    readonly admin: number;
    readonly dns: number;
    readonly http: number;
    readonly https: number;
  };
  /** Everything the manager has printed. */
  output(): string;
  /** The manager's process. */
  readonly process: () => ChildProcess;
  caddyPid(): Promise<number>;
  /** Ends the manager; Caddy goes on. Default SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the manager again on the same data. */
  start(options?: { readonly environment?: NodeJS.ProcessEnv; readonly script?: string }): Promise<void>;
  /** Resolves when the manager's process has ended. */
  ended(): Promise<void>;
}

/** Free ports for the listeners of a Gatewright. */
export async function freePorts(): Promise<Gatewright["ports"]> {
  return {
    api: await freePort(),
    admin: await freePort(),
    dns: await freePort(),
    http: await freePort(),
    https: await freePort(),
  };
}

/** The settings of these ports. */
export function portSettings({ api, admin, dns, http, https }: Gatewright["ports"]): NodeJS.ProcessEnv {
  return {
    PORT: String(api),
    CADDY_ADMIN_PORT: String(admin),
    INTERNAL_DNS_PORT: String(dns),
    HTTP_PORT: String(http),
    HTTPS_PORT: String(https),
  };
}

/**
 * Starts a Gatewright on free loopback ports and a temporary folder; resolves when `/ready` answers 200.
 * @param cwd where its `.env` may be; default: that of the tests
 */
export async function startGatewright(
  environment: NodeJS.ProcessEnv = {},
  cwd = process.cwd(),
): Promise<Gatewright> {
  const dataDir = environment["DATA_DIR"] ?? (await mkdtemp(join(tmpdir(), "gatewright-e2e-")));
  const ports = await freePorts();
  const base: NodeJS.ProcessEnv = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    // Half of a start's processor time is for compiling.
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(testCacheDir, "compile"),
    DATA_DIR: dataDir,
    ...portSettings(ports),
    CADDY_LISTEN_ADDRESS: "127.0.0.1",
    CADDY_BIN: await builtCaddy(),
    ...environment,
  };
  let child: ChildProcess | undefined;
  let output = "";
  const url = `http://127.0.0.1:${ports.api}`;
  const caddyPid = async (): Promise<number> =>
    Number(await readFile(join(dataDir, "caddy/caddy.pid"), "utf8"));

  async function start(options: Parameters<Gatewright["start"]>[0] = {}): Promise<void> {
    const started = spawn(process.execPath, [options.script ?? main], {
      env: { ...base, ...options.environment },
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(async () => {
      if (started.exitCode !== null || started.signalCode !== null)
        throw new Error(`the manager ended:\n${output}`);
      return (await fetch(`${url}/ready`)).status === 200;
    });
  }

  async function stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async function ended(): Promise<void> {
    if (child !== undefined && child.exitCode === null && child.signalCode === null)
      await once(child, "exit");
  }

  async function dispose(): Promise<void> {
    await stop("SIGTERM");
    const pid = await caddyPid().catch(() => undefined);
    if (pid !== undefined && pid > 1) endCaddy(pid);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  const gatewright: Gatewright = {
    url,
    dataDir,
    ports,
    output: () => output,
    process: () => child as ChildProcess,
    caddyPid,
    stop,
    start,
    ended,
    [Symbol.asyncDispose]: dispose,
  };
  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return gatewright;
}

function endCaddy(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
