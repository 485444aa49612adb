import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { TestAuthority } from "./test-authority.ts";

interface DnsRecord {
  readonly id: string;
  readonly type: string;
  /** Absolute, without the trailing dot. */
  readonly name: string;
  readonly content: string;
}

/** A loopback Cloudflare, as far as DNS-01 and the doctor use it. */
export interface Cloudflare extends AsyncDisposable {
  /** A CONNECT proxy that leads api.cloudflare.com here: the value of HTTPS_PROXY. */
  readonly proxyUrl: string;
  /** The API itself over plain HTTP, for clients that can be told a base URL. */
  readonly apiUrl: string;
  /** The token that is accepted; anything else gets 403. */
  token: string;
  /** Whether the token may edit records; without it only zones can be read. */
  mayEdit: boolean;
  /** Awaited before a record of the name is made. Default: nothing. */
  hold: (name: string) => Promise<void> | undefined;
  /** TXT records of a name. */
  texts(name: string): readonly string[];
  /** Records made since the start. */
  created(): number;
  /** Paths of every request. */
  readonly requests: readonly string[];
}

export interface CloudflareOptions {
  readonly zone: string;
  readonly token: string;
  readonly authority: TestAuthority;
}

const zoneId = "0123456789abcdef0123456789abcdef";

export async function startCloudflare({ zone, token, authority }: CloudflareOptions): Promise<Cloudflare> {
  const records = new Map<string, DnsRecord>();
  const requests: string[] = [];
  let created = 0;
  const api = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "", "https://api.cloudflare.com");
    const path = url.pathname.replace("/client/v4", "");
    requests.push(`${request.method} ${path}`);
    if (request.headers.authorization !== `Bearer ${cloudflare.token}`)
      return send(response, 403, { code: 9109, message: "Invalid access token" });
    if (path === "/user/tokens/verify") return send(response, 200, undefined, { id: "t", status: "active" });
    if (path === "/zones") {
      const wanted = (url.searchParams.get("name") ?? zone).replace(/\.$/, "");
      const permissions = cloudflare.mayEdit ? ["#zone:read", "#dns_records:edit"] : ["#zone:read"];
      const page = Number(url.searchParams.get("page") ?? 1);
      const found =
        wanted === zone && page === 1 ? [{ id: zoneId, name: zone, status: "active", permissions }] : [];
      return send(response, 200, undefined, found);
    }
    if (!path.startsWith(`/zones/${zoneId}/dns_records`))
      return send(response, 404, { code: 7003, message: "Could not route" });
    if (request.method === "GET") {
      const name = absolute(url.searchParams.get("name") ?? "", zone);
      const content = url.searchParams.get("content");
      const found = [...records.values()].filter(
        (record) => record.name === name && (content === null || record.content === content),
      );
      return send(response, 200, undefined, url.searchParams.has("name") ? found : [...records.values()]);
    }
    if (!cloudflare.mayEdit) return send(response, 403, { code: 10000, message: "Authentication error" });
    if (request.method === "POST") {
      const body = JSON.parse(await textOf(request)) as { type: string; name: string; content: string };
      const name = absolute(body.name, zone);
      await cloudflare.hold(name);
      created += 1;
      const record = { ...body, id: String(created), name };
      records.set(record.id, record);
      return send(response, 200, undefined, record);
    }
    const id = path.split("/").at(-1) ?? "";
    records.delete(id);
    return send(response, 200, undefined, { id });
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void api(request, response).catch(() => response.destroy());
  const pair = await authority.issue({ names: ["api.cloudflare.com"] });
  const https = createHttpsServer({ cert: pair.certificate, key: pair.key }, listener);
  const plain = createHttpServer(listener);
  const proxy = createHttpServer((_request, response) => response.writeHead(405).end());
  for (const server of [https, plain, proxy]) server.listen(0, "127.0.0.1");
  await Promise.all([https, plain, proxy].map((server) => once(server, "listening")));
  const portOf = (server: typeof plain | typeof https): number => (server.address() as AddressInfo).port;
  proxy.on("connect", (request, client) => {
    if (request.url !== "api.cloudflare.com:443") return client.destroy();
    const upstream = connect(portOf(https), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(client);
      client.pipe(upstream);
    });
    for (const socket of [upstream, client]) socket.on("error", () => undefined);
    client.on("close", () => upstream.destroy());
  });
  const cloudflare: Cloudflare = {
    proxyUrl: `http://127.0.0.1:${portOf(proxy)}`,
    apiUrl: `http://127.0.0.1:${portOf(plain)}/client/v4`,
    token,
    mayEdit: true,
    hold: () => undefined,
    texts: (name) =>
      [...records.values()]
        .filter((record) => record.type === "TXT" && record.name === name)
        .map(({ content }) => content.replace(/^"(.*)"$/, "$1")),
    created: () => created,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const server of [https, plain, proxy]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
  return cloudflare;
}

/** The real one takes names relative to the zone too. */
function absolute(name: string, zone: string): string {
  const bare = name.toLowerCase().replace(/\.$/, "");
  return bare === zone || bare.endsWith(`.${zone}`) ? bare : `${bare}.${zone}`;
}

function send(
  response: ServerResponse,
  status: number,
  error: { readonly code: number; readonly message: string } | undefined,
  result: unknown = null,
): void {
  const errors = error === undefined ? [] : [error];
  const info = Array.isArray(result)
    ? {
        result_info: {
          page: 1,
          per_page: 100,
          count: result.length,
          total_count: result.length,
          total_pages: 1,
        },
      }
    : {};
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ success: error === undefined, errors, messages: [], result, ...info }));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
