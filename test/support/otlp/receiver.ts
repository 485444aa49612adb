import { createServer, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { listening } from "../listening.ts";
import { type Decoded, decode, type Signal, signals } from "./decode.ts";

/** A receiver of OTLP that keeps what it was sent, in protobuf as it comes. */
export interface OtlpReceiver extends AsyncDisposable {
  /** `host:port`. */
  readonly endpoint: string;
  /** Everything so far. */
  readonly metrics: Decoded["metrics"];
  readonly logs: Decoded["logs"];
  readonly traces: Decoded["traces"];
  /** Of the last export. */
  readonly headers: { readonly [name: string]: unknown };
  /** All values of the header `x-key` that exports came with; may be cleared. */
  readonly keys: Set<unknown>;
  /** Exports that came, whatever was answered. */
  readonly exports: number;
  /** How exports are answered from now on. Default: taken. */
  mood: "takes" | "refuses" | "hangs";
}

interface Received {
  metrics: Decoded["metrics"];
  logs: Decoded["logs"];
  traces: Decoded["traces"];
  headers: IncomingHttpHeaders | { [name: string]: unknown };
  keys: Set<unknown>;
  exports: number;
  mood: OtlpReceiver["mood"];
}

/** Starts one on a free loopback port. */
export function startOtlpReceiver(protocol: "grpc" | "http/protobuf" = "grpc"): Promise<OtlpReceiver> {
  const received: Received = {
    metrics: [],
    logs: [],
    traces: [],
    headers: {},
    keys: new Set(),
    exports: 0,
    mood: "takes",
  };
  return protocol === "grpc" ? startGrpc(received) : startHttp(received);
}

function take(received: Received, signal: Signal, bytes: Buffer, headers: Received["headers"]): void {
  received.exports += 1;
  received.headers = headers;
  if (headers["x-key"] !== undefined) received.keys.add(headers["x-key"]);
  if (received.mood !== "takes") return;
  const all = [...received[signal], ...decode(signal, bytes)];
  Object.assign(received, { [signal]: all });
}

async function startHttp(received: Received): Promise<OtlpReceiver> {
  const server = await listening(
    createServer(async (request, response) => {
      const body = await buffer(request);
      const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      const signal = (Object.keys(signals) as Signal[]).find((one) => request.url?.endsWith(`/v1/${one}`));
      if (signal === undefined) return void response.writeHead(404).end();
      take(received, signal, bytes, request.headers);
      if (received.mood === "hangs") return;
      response.writeHead(received.mood === "refuses" ? 400 : 200, {
        "content-type": "application/x-protobuf",
      });
      response.end();
    }),
  );
  return Object.assign(received, {
    endpoint: `127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  });
}

async function startGrpc(received: Received): Promise<OtlpReceiver> {
  const server = new Server();
  for (const [signal, service] of [
    ["metrics", "metrics.v1.MetricsService"],
    ["logs", "logs.v1.LogsService"],
    ["traces", "trace.v1.TraceService"],
  ] as const)
    server.addService(
      {
        export: {
          path: `/opentelemetry.proto.collector.${service}/Export`,
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      {
        export: ({ metadata, request }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
          take(received, signal, request, metadata.getMap());
          if (received.mood === "hangs") return;
          if (received.mood === "refuses") done({ code: status.INVALID_ARGUMENT, details: "no" });
          else done(null, Buffer.alloc(0));
        },
      },
    );
  const listen = promisify(server.bindAsync.bind(server));
  const port = await listen("127.0.0.1:0", ServerCredentials.createInsecure());
  return Object.assign(received, {
    endpoint: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  });
}
