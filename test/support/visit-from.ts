import { request } from "node:http";
import { connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import type { Answer, Call } from "./api.ts";

export interface VisitFrom extends Call {
  /** The client's own address, in 127.0.0.0/8. */
  readonly from?: string;
  /** Header values that are sent several times. */
  readonly repeated?: { readonly [name: string]: readonly string[] };
}

/** A request through Caddy, from any loopback address, with the path's bytes as they are. */
export async function visitFrom<Body = unknown>(
  port: number,
  host: string,
  path = "/",
  options: VisitFrom = {},
): Promise<Answer<Body>> {
  try {
    return await visitOnce<Body>(port, host, path, options);
  } catch (error) {
    // A reload may close a connection unread on Caddy's admin endpoint, and behind the PROXY protocol.
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    return visitOnce<Body>(port, host, path, options);
  }
}

async function visitOnce<Body>(
  port: number,
  host: string,
  path: string,
  { from = "127.0.0.1", method = "GET", headers = {}, repeated = {}, body }: VisitFrom,
): Promise<Answer<Body>> {
  const sent = request({
    host: "127.0.0.1",
    port,
    path,
    method,
    localAddress: from,
    headers: {
      host,
      ...headers,
      ...Object.fromEntries(Object.entries(repeated).map(([k, v]) => [k, [...v]])),
    },
    agent: false,
    timeout: 15_000,
  });
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(typeof body === "string" || body === undefined ? body : JSON.stringify(body));
  });
  const text = await readText(response);
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) as Body };
}

/** Sends bytes over a new connection and resolves with all that comes back before it closes. */
export async function exchange(port: number, bytes: string | Buffer, from = "127.0.0.1"): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  socket.setTimeout(15_000, () => socket.destroy(new Error("no answer in time")));
  socket.write(bytes);
  return readText(socket);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
