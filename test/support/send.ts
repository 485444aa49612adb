import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { text as readText } from "node:stream/consumers";
import type { Answer } from "./api.ts";
import { type CaseRequest, hostOf } from "./reference-matcher.ts";

/**
 * Sends a request to a listener of Caddy with Host and request target byte for byte as given, over a connection of its
 * own. With `tls` the Host is the server name, and any certificate is taken: which one it is has tests elsewhere.
 */
export async function send<Body = unknown>(
  port: number,
  request: Omit<CaseRequest, "port">,
): Promise<Answer<Body>> {
  const attempt = () => sendOnce<Body>(port, request);
  return attempt().catch((error: NodeJS.ErrnoException) => {
    // A reload may cut TLS that is just being begun; who takes a request is what is asked here.
    if (!request.tls || error.code !== "ECONNRESET") throw error;
    return attempt();
  });
}

async function sendOnce<Body>(
  port: number,
  { host, path, method, headers, tls }: Omit<CaseRequest, "port">,
): Promise<Answer<Body>> {
  const name = hostOf(host);
  const options = {
    host: "127.0.0.1",
    port,
    method,
    path,
    headers: { ...headers, host },
    agent: false as const,
    timeout: 15_000,
  };
  const sent = tls
    ? tlsRequest({ ...options, rejectUnauthorized: false, servername: isIP(name) === 0 ? name : "" })
    : plainRequest(options);
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error(`no answer on port ${port} in time`)));
    sent.end();
  });
  const text = await readText(response);
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) as Body };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
