import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { builtProgram } from "../built-program.ts";
import { freePort } from "../free-port.ts";
import { listening } from "../listening.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { until } from "../until.ts";

/** OpenTelemetry's own Collector, which passes on what it understood. */
export interface Collector extends AsyncDisposable {
  /** `host:port` of each protocol. */
  readonly endpoints: { readonly grpc: string; readonly "http/protobuf": string };
  /** As the Collector has them, in OTLP's JSON; everything so far. */
  readonly told: { readonly metrics: object[]; readonly logs: object[]; readonly traces: object[] };
}

/** Path of the program; undefined, with a warning, where it cannot be built. */
export async function builtCollector(): Promise<string | undefined> {
  try {
    return await builtProgram(join(import.meta.dirname, "collector"));
  } catch (error) {
    console.warn(`SKIPPED: OpenTelemetry's Collector cannot be built: ${String(error).split("\n")[0]}`);
    return undefined;
  }
}

export async function startCollector(program: string): Promise<Collector> {
  const stack = new AsyncDisposableStack();
  const told: Collector["told"] = { metrics: [], logs: [], traces: [] };
  const server = stack.use(
    await listening(
      createServer(async (request, response) => {
        const signal = request.url?.split("/").at(-1) as keyof typeof told;
        told[signal].push((await json(request)) as object);
        response.setHeader("content-type", "application/json").end("{}");
      }),
    ),
  );
  const folder = stack.use(await temporaryFolder());
  const [grpc, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const pipeline = { receivers: ["otlp"], exporters: ["otlphttp"] };
  const config = {
    receivers: { otlp: { protocols: { grpc: { endpoint: grpc }, http: { endpoint: http } } } },
    exporters: {
      otlphttp: {
        endpoint: `http://127.0.0.1:${server.port}`,
        encoding: "json",
        compression: "none",
        sending_queue: { enabled: false },
      },
    },
    service: {
      // It would listen on a port for its own.
      telemetry: { metrics: { level: "none" }, logs: { level: "error" } },
      pipelines: { metrics: pipeline, logs: pipeline, traces: pipeline },
    },
  };
  const file = join(folder.path, "collector.yaml");
  await writeFile(file, JSON.stringify(config));
  const child = spawn(program, [`--config=file:${file}`], { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  stack.defer(async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  });
  for (const endpoint of [grpc, http])
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the Collector ended:\n${output}`);
      return isOpen(Number(endpoint.split(":")[1]));
    });
  return {
    endpoints: { grpc, "http/protobuf": http },
    told,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function isOpen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1", () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
