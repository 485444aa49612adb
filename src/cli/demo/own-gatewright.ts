import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { obtainCaddy } from "../../caddy/binary.ts";
import { loadConfig } from "../../config.ts";
import { GatewrightError } from "../../errors.ts";
import { ApiClient, type Endpoint } from "../client.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Session } from "../session.ts";

/** A Gatewright that ends, with its Caddy and all that it stored. */
export interface OwnGatewright extends AsyncDisposable {
  readonly endpoint: Endpoint;
}

const POLL_MS = 50;
/** What a failure shows of what it said. */
const KEPT_CHARACTERS = 4_000;
/** Of the environment; its settings are for another Gatewright. */
const passedOn = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "NODE_COMPILE_CACHE"];

/**
 * Starts a Gatewright on loopback, ports that are free and a temporary folder. Caddy's program is the one of this machine's settings:
 * where that has to be built it is kept for a later start. Throws a Failure where it does not start, or when the signal comes.
 */
export async function startOwnGatewright(session: Session, signal: AbortSignal): Promise<OwnGatewright> {
  const config = loadConfig();
  const { path: caddy } = await obtainCaddy({
    dataDir: config.dataDir,
    sourceDir: join(import.meta.dirname, "../../../caddy"),
    caddyBin: config.caddy.bin,
    environment: config.toolEnvironment,
    progress: (line) => session.note(line),
    signal,
  });
  const dataDir = await mkdtemp(join(tmpdir(), "gatewright-demo-"));
  const environment = Object.fromEntries(passedOn.map((name) => [name, session.io.env[name]]));
  const [, program = ""] = process.argv;
  const child = spawn(process.execPath, [program, "up"], {
    // Its own group: Ctrl-C is for this process, which takes back what it made before it ends that one.
    detached: true,
    // No .env is read there.
    cwd: dataDir,
    env: {
      ...environment,
      DATA_DIR: dataDir,
      CADDY_BIN: caddy,
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
      CADDY_STOP_ON_SHUTDOWN: "true",
      PORT: "0",
      HTTP_PORT: "0",
      HTTPS_PORT: "0",
      INTERNAL_DNS_PORT: "0",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-KEPT_CHARACTERS);
    });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const dispose = async () => {
    if (!hasEnded()) {
      child.kill("SIGTERM");
      await ended;
    }
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    while (!signal.aborted) {
      if (hasEnded()) throw new Failure(`Gatewright did not start:\n${said.trim()}`, exitCodes.failed);
      const endpoint = await readyEndpoint(dataDir);
      if (endpoint !== undefined) return { endpoint, [Symbol.asyncDispose]: dispose };
      await sleep(POLL_MS);
    }
    throw new GatewrightError("caddy_start_failed", "The demo was ended before Gatewright was ready.");
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Where it answers that it is ready; undefined until then. */
async function readyEndpoint(dataDir: string): Promise<Endpoint | undefined> {
  try {
    const ports = JSON.parse(await readFile(join(dataDir, "ports.json"), "utf8")) as { PORT?: number };
    const endpoint = { url: `http://127.0.0.1:${ports.PORT}` };
    await new ApiClient(endpoint).get("/ready");
    return endpoint;
  } catch {
    return undefined;
  }
}
