import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Answer } from "./api.ts";
import { jwtSecret, token } from "./authorized.ts";
import type { Gatewright } from "./gatewright.ts";

/** The name by which the API of these tests is served. */
export const apiHost = "gatewright.example.test";

/** Settings for it with Caddy's own authority. */
export const apiByName: NodeJS.ProcessEnv = {
  API_HOSTNAME: apiHost,
  TLS_ISSUER: "internal",
  JWT_SECRET: jwtSecret,
};

export interface NamedCall {
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
  /** Address of the client. Default: the system's choice. */
  readonly from?: string;
  /** Default: that of Caddy's own authority. */
  readonly ca?: string;
  readonly port?: number;
}

/** Caddy's own root. */
export const internalRoot = ({ dataDir }: Pick<Gatewright, "dataDir">): Promise<string> =>
  readFile(join(dataDir, "caddy/data/pki/authorities/local/root.crt"), "utf8");

/** Calls the API by its name, through Caddy, with a verified certificate; the answer's body is still to be read. */
export async function openByName(
  gatewright: Pick<Gatewright, "dataDir" | "ports">,
  path: string,
  { method = "GET", headers = {}, body, from, ca, port = gatewright.ports.https }: NamedCall = {},
): Promise<IncomingMessage> {
  const root = ca ?? (await internalRoot(gatewright));
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    host: "127.0.0.1",
    port,
    servername: apiHost,
    ca: root,
    agent: false,
    method,
    path,
    ...(from === undefined ? {} : { localAddress: from }),
    headers: {
      host: apiHost,
      ...token,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
  });
  sent.on("response", resolve).on("error", reject).end(body);
  return promise;
}

/** The same with the whole answer. */
export async function callByName<Body = unknown>(
  gatewright: Pick<Gatewright, "dataDir" | "ports">,
  path: string,
  options: NamedCall = {},
): Promise<Answer<Body>> {
  const response = await openByName(gatewright, path, options);
  const answer = await text(response);
  const { headers, statusCode: status = 0 } = response;
  const isJson = String(headers["content-type"]).includes("json");
  return { status, headers, text: answer, body: (isJson ? JSON.parse(answer) : answer) as Body };
}
