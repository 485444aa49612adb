import { request } from "node:http";
import type { Ingress, IngressRuleInput } from "../../src/model/api.ts";

export interface Answer<Body = unknown> {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
  readonly text: string;
  readonly body: Body;
}

export interface Call {
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  /** Sent as JSON unless it is a string. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** One HTTP request over a connection of its own; `fetch` would not send another Host. */
export function call<Body = unknown>(url: string, options: Call = {}): Promise<Answer<Body>> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer<Body>>();
  const body =
    options.body === undefined
      ? undefined
      : typeof options.body === "string"
        ? options.body
        : JSON.stringify(options.body);
  const headers = {
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...options.headers,
  };
  const sent = request(
    url,
    {
      method: options.method ?? (body === undefined ? "GET" : "POST"),
      headers,
      agent: false,
      timeout: options.timeoutMs ?? 15_000,
    },
    (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: parse(text) as Body,
        }),
      );
    },
  );
  sent.on("timeout", () => sent.destroy(new Error(`no answer from ${url} in time`)));
  sent.on("error", reject);
  sent.end(body);
  return promise;
}

/** A request through Caddy to a host that only the Host header names. */
export function visit<Body = unknown>(
  port: number,
  host: string,
  path = "/",
  options: Call = {},
): Promise<Answer<Body>> {
  return call<Body>(`http://127.0.0.1:${port}${path}`, { ...options, headers: { host, ...options.headers } });
}

/**
 * Reads from the admin endpoint of a Gatewright's Caddy. Each load replaces that endpoint and drops the questions that
 * the former one has not answered, so that one which is lost is asked again.
 */
export async function askCaddy<Body = unknown>(adminPort: number, path: string): Promise<Answer<Body>> {
  const origin = `http://127.0.0.1:${adminPort}`;
  for (let asked = 1; ; asked++) {
    try {
      return await call<Body>(`${origin}${path}`, { headers: { origin } });
    } catch (error) {
      if (asked === 5 || (error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    }
  }
}

export interface CreateOptions {
  readonly url: string;
  readonly name: string;
  readonly rules: readonly IngressRuleInput[];
}

export function createIngress({ url, name, rules }: CreateOptions): Promise<Answer<Ingress>> {
  return call<Ingress>(`${url}/ingresses`, { body: { name, rules } });
}

/** Registers a running instance at an address. */
export function putInstance(
  url: string,
  name: string,
  ip: string | null,
  more: object = {},
): Promise<Answer> {
  return call(`${url}/instances/${name}`, { method: "PUT", body: { network: { ip }, ...more } });
}

/** The usual rule: a hostname to a port of an instance. */
export function rule(
  hostname: string,
  instance: string,
  port: number,
  match: object = {},
  more: object = {},
): IngressRuleInput {
  return { match: { hostname, ...match }, target: { instance, port }, ...more };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
