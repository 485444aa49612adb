import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { text as readText } from "node:stream/consumers";

/** A request as it goes over the wire: nothing is normalised or added beside Host and Content-Length. */
export interface HttpCall {
  readonly method?: string;
  /** Path and query, sent as they are. */
  readonly path: string;
  readonly headers?: { readonly [name: string]: string | readonly string[] };
  /** Sent as JSON with its Content-Type, unless `raw` is given. */
  readonly json?: unknown;
  readonly raw?: string | Buffer;
  /** The address that it comes from. Default: what the system chooses. */
  readonly from?: string;
}

/** An answer, read whole. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body parsed; throws when it is not JSON. */
  readonly json: <T = ReplyBody>() => T;
}

/** What tests read of an answer. */
export interface ReplyBody {
  readonly [key: string]: unknown;
}

/** Sends one request on a connection of its own. */
export async function httpCall(url: string, call: HttpCall): Promise<HttpReply> {
  const { hostname, port } = new URL(url);
  const body = call.raw ?? (call.json === undefined ? undefined : JSON.stringify(call.json));
  const headers: { [name: string]: string | string[] } = {};
  if (call.json !== undefined && call.raw === undefined) headers["Content-Type"] = "application/json";
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    headers[name] = typeof value === "string" ? value : [...value];
  }
  const request = httpRequest({
    host: hostname,
    port,
    method: call.method ?? "GET",
    path: call.path,
    headers,
    agent: false,
    ...(call.from === undefined ? {} : { localAddress: call.from }),
  });
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
    request.end(body);
  });
  const text = await readText(response);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    json: <T>() => JSON.parse(text) as T,
  };
}
