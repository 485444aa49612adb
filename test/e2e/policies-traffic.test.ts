import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttp, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGunzip, gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { CaddyConfig } from "../../src/compiler/caddy-json.ts";
import { call, createIngress, putInstance, rule } from "../support/api.ts";
import { type PolicySite, startPolicySite } from "../support/policy-site.ts";
import { visitFrom } from "../support/visit-from.ts";

let site: PolicySite;
let pages: string;
const open: Server[] = [];

beforeAll(async () => {
  pages = await mkdtemp(join(tmpdir(), "gatewright-pages-"));
  await writeFile(join(pages, "404.html"), "<p>Nobody lives here: {env.HOME}</p>");
  await writeFile(join(pages, "5xx.txt"), "Sorry from all of us.");
  await writeFile(join(pages, "README.md"), "not a page");
  site = await startPolicySite({ HTTP2_CLEARTEXT: "true", ERROR_PAGES_DIR: pages });
}, 120_000);

afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  for (const server of open) server.close();
  await rm(pages, { recursive: true, force: true });
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  return (server.address() as AddressInfo).port;
}

/** A rule for another port of the instance. */
async function servePort(name: string, port: number, more: object): Promise<void> {
  const answer = await createIngress({
    url: site.gatewright.url,
    name,
    rules: [rule(`${name}.test`, "web", port, {}, more)],
  });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
}

describe("headers", () => {
  it("are set, added and removed on the request, literally", async () => {
    await site.serve("request-headers", {
      headers: {
        request: {
          set: { "X-Env": "{env.HOME}", "X-Escaped": "\\{http.request.host\\}", "X-Team": "web" },
          add: { "X-Tag": "two" },
          remove: ["Cookie", "x-forwarded-for"],
        },
      },
    });
    const headers = { "x-tag": "one", "x-team": "mine", cookie: "a=b" };
    const { headers: seen } = (await site.visit("request-headers", "/", { headers })).body;
    expect(seen).toMatchObject({
      "x-env": "{env.HOME}",
      "x-escaped": "\\{http.request.host\\}",
      "x-team": "web",
      "x-tag": "one, two",
    });
    expect(seen["cookie"]).toBeUndefined();
    expect(seen["x-forwarded-for"]).toBeUndefined();
  });

  it("are set, added and removed on the response", async () => {
    await site.serve("response-headers", {
      headers: {
        response: {
          set: { "Content-Type": "text/plain", "X-Env": "{env.HOME}" },
          add: { Vary: "Cookie" },
          remove: ["Server", "Via"],
        },
      },
    });
    const { headers } = await site.visit("response-headers");
    expect(headers).toMatchObject({ "content-type": "text/plain", "x-env": "{env.HOME}", vary: "Cookie" });
    expect(headers["server"]).toBeUndefined();
    expect(headers["via"]).toBeUndefined();
  });
});

describe("rewrite", () => {
  it("strips a prefix on a segment border, keeps query and escapes", async () => {
    await site.serve("strip", { rewrite: { strip_prefix: "/api" } });
    const urlOf = async (path: string): Promise<string> => (await site.visit("strip", path)).body.url;
    expect(await urlOf("/api/v1?a=%2F&b")).toBe("/v1?a=%2F&b");
    expect(await urlOf("/api")).toBe("/");
    expect(await urlOf("/apiv1")).toBe("/apiv1");
    expect(await urlOf("/API/v1")).toBe("/API/v1");
    expect(await urlOf("/%61pi/a%2Fb")).toBe("/a%2Fb");
    expect(await urlOf("/x/../api/v1")).toBe("/v1");
    expect((await site.visit("strip", "/api/v1")).body.headers["x-forwarded-prefix"]).toBe("/api");
  });

  it("replaces the rule's own prefix", async () => {
    await site.serve(
      "replace",
      { rewrite: { replace_prefix: "/v2" } },
      { path: { type: "prefix", value: "/api" } },
    );
    expect((await site.visit("replace", "/api/x?y=1")).body.url).toBe("/v2/x?y=1");
    expect((await site.visit("replace", "/api")).body.url).toBe("/v2");
  });

  it("replaces the whole path, literally", async () => {
    await site.serve("whole", { rewrite: { replace_path: "/the page.html" } });
    expect((await site.visit("whole", "/a/b?y={env.HOME}")).body.url).toBe("/the%20page.html?y={env.HOME}");
  });
});

describe("timeouts", () => {
  it("end a wait for the response, never a response that has begun", async () => {
    let answer = (_response: ServerResponse): void => {};
    const port = await listen(createHttp((_request, response) => answer(response)));
    await servePort("timeouts", port, {
      policies: { timeouts: { connect: "1s", response_header: "300ms" } },
    });
    answer = () => {};
    const late = await site.visit("timeouts", "/", { method: "POST", body: "x" });
    expect(late.status).toBe(504);
    answer = (response) => {
      response.write("begun, ");
      setTimeout(() => response.end("and ended"), 700);
    };
    expect((await site.visit("timeouts")).text).toBe("begun, and ended");
  });
});

describe("maximum request body", () => {
  it("answers 413, with and without a Content-Length", async () => {
    await site.serve("body", { max_request_body: "1KB" });
    const send = async (bytes: number, headers = {}): Promise<number> =>
      (await site.visit("body", "/", { method: "POST", body: "x".repeat(bytes), headers })).status;
    expect(await send(1_000)).toBe(200);
    expect(await send(1_001)).toBe(413);
    expect(await send(100_000, { "transfer-encoding": "chunked" })).toBe(413);
  });
});

describe("compression", () => {
  it("is zstd or gzip, for clients that take it", async () => {
    await site.serve("compress", { compress: true });
    const headers = { "x-filler": "x".repeat(2_000) };
    const plain = await site.visit("compress", "/", { headers });
    expect(plain.headers["content-encoding"]).toBeUndefined();
    for (const [encoding, decompress] of [
      ["gzip", gunzipSync],
      ["zstd", zstdDecompressSync],
    ] as const) {
      const response = await fetchRaw("compress.test", { ...headers, "accept-encoding": encoding });
      expect(response.encoding).toBe(encoding);
      expect(decompress(response.bytes).toString()).toContain("x".repeat(2_000));
    }
  });

  it("sends events as they come", async () => {
    const headers = { host: "compress.test", "accept-encoding": "gzip" };
    const sent = request({
      port: site.gatewright.ports.http,
      host: "127.0.0.1",
      path: "/events",
      headers,
      agent: false,
    });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    expect(response.headers["content-encoding"]).toBe("gzip");
    const events = response.pipe(createGunzip());
    const [first] = (await once(events, "data")) as [Buffer];
    expect(first.toString()).toContain("data: 0");
    const [second] = (await once(events, "data")) as [Buffer];
    expect(second.toString()).toContain("data: ");
    sent.destroy();
  });

  it("is off without the policy", async () => {
    await site.serve("uncompressed", {});
    const headers = { "x-filler": "x".repeat(2_000), "accept-encoding": "gzip" };
    expect((await fetchRaw("uncompressed.test", headers)).encoding).toBeUndefined();
  });
});

async function fetchRaw(
  host: string,
  headers: { readonly [name: string]: string },
): Promise<{ readonly encoding: string | undefined; readonly bytes: Buffer }> {
  const sent = request({
    port: site.gatewright.ports.http,
    host: "127.0.0.1",
    headers: { host, ...headers },
    agent: false,
  });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { encoding: response.headers["content-encoding"], bytes: Buffer.concat(chunks) };
}

describe("maintenance", () => {
  it("answers 503 with its message, but to the exempt", async () => {
    await site.serve("maintenance", {
      maintenance: { message: "Back at {noon}, <b>sorry</b>.", exempt: ["127.0.0.8"] },
    });
    const closed = await site.visit("maintenance", "/", { headers: { accept: "application/json" } });
    expect([closed.status, closed.headers["retry-after"]]).toEqual([503, "60"]);
    expect(closed.body).toEqual({
      code: "service_unavailable",
      ingress: "maintenance",
      message: "Back at {noon}, <b>sorry</b>.",
    });
    expect((await site.visit("maintenance", "/", { from: "127.0.0.8" })).status).toBe(200);
  });

  it("is switched by a patch", async () => {
    await site.serve("switched", {});
    const rules = [{ ...rule("switched.test", "web", site.backend.port), policies: { maintenance: {} } }];
    await call(`${site.gatewright.url}/ingresses/switched`, { method: "PATCH", body: { rules } });
    expect((await site.visit("switched")).status).toBe(503);
    await call(`${site.gatewright.url}/ingresses/switched`, {
      method: "PATCH",
      body: { rules: [{ ...rules[0], policies: {} }] },
    });
    expect((await site.visit("switched")).status).toBe(200);
  });
});

describe("error pages", () => {
  it("are the ingress's, then those of all, then our own; JSON for clients that prefer it", async () => {
    const dead = { policies: { error_pages: { 502: "<h1>{env.HOME} is resting</h1>" } } };
    await servePort("own-page", 1, dead);
    await servePort("page-of-all", 1, {});
    await site.serve("no-page", { access: { deny: ["127.0.0.1"] } });
    const own = await site.visit("own-page");
    expect([own.status, own.headers["content-type"], own.text]).toEqual([
      502,
      "text/html; charset=utf-8",
      "<h1>{env.HOME} is resting</h1>",
    ]);
    const all = await site.visit("page-of-all");
    expect([all.status, all.headers["content-type"], all.text]).toEqual([
      502,
      "text/plain; charset=utf-8",
      "Sorry from all of us.",
    ]);
    const json = await site.visit("own-page", "/", { headers: { accept: "application/json" } });
    expect(json.body).toMatchObject({ code: "bad_gateway", ingress: "own-page" });
    expect((await site.visit("no-page")).text).toContain('"no-page"');
    const nobody = await site.visit("nobody");
    expect([nobody.status, nobody.text]).toEqual([404, "<p>Nobody lives here: {env.HOME}</p>"]);
  });

  it("leave the instance's own errors alone", async () => {
    const port = await listen(createHttp((_request, response) => response.writeHead(502).end("mine")));
    await servePort("passed-on", port, { policies: { error_pages: { 502: "ours" } } });
    expect((await site.visit("passed-on")).text).toBe("mine");
  });
});

describe("upstream", () => {
  it("gets the Host header that is set", async () => {
    await site.serve("host-header", {}, {}, { upstream: { host_header: "internal.example.com:8443" } });
    const seen = (await site.visit("host-header")).body;
    expect(seen.host).toBe("internal.example.com:8443");
    expect(seen.headers["x-forwarded-host"]).toBe("host-header.test");
  });

  it.each(["v1", "v2"] as const)("gets the client's address by PROXY protocol %s", async (version) => {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const port = await listen(
      createTcp((socket) => {
        socket.once("data", (data) => {
          resolve(data);
          socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        });
      }),
    );
    await servePort(`proxy-${version}`, port, { upstream: { proxy_protocol: version } });
    expect((await site.visit(`proxy-${version}`, "/", { from: "127.0.0.9" })).status).toBe(204);
    const bytes = await promise;
    if (version === "v1") expect(bytes.toString()).toMatch(/^PROXY TCP4 127\.0\.0\.9 [\d.]+ \d+ \d+\r\n/);
    else {
      expect(bytes.subarray(0, 12)).toEqual(Buffer.from("\r\n\r\n\0\r\nQUIT\n"));
      expect([...bytes.subarray(16, 20)]).toEqual([127, 0, 0, 9]);
    }
  });

  it("is spoken to by gRPC through h2c, trailers and all, and with policies before it", async () => {
    const grpc = createHttp2();
    grpc.on("stream", (stream, headers) => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "x-path": String(headers[":path"]) },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
      stream.pipe(stream);
    });
    grpc.listen(0, "127.0.0.1");
    await once(grpc, "listening");
    await servePort("grpc", (grpc.address() as AddressInfo).port, {
      upstream: { scheme: "h2c" },
      policies: {
        access: { allow: ["127.0.0.1"] },
        rate_limit: { requests_per_second: 0.01, burst: 1 },
        compress: true,
      },
    });
    const client = connectHttp2(`http://127.0.0.1:${site.gatewright.ports.http}`);
    const ask = async (): Promise<{ status: number; trailers: object; text: string }> => {
      const stream = client.request({
        ":method": "POST",
        ":path": "/shop.Orders/Place",
        ":authority": "grpc.test",
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.end("message");
      let trailers = {};
      stream.on("trailers", (got: object) => (trailers = got));
      const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
      let text = "";
      for await (const chunk of stream) text += String(chunk);
      return { status: Number(headers[":status"]), trailers, text };
    };
    expect(await ask()).toMatchObject({
      status: 200,
      text: "message",
      trailers: { "grpc-status": "0", "grpc-message": "fine" },
    });
    expect((await ask()).status).toBe(429);
    client.destroy();
    grpc.close();
  });
});

describe("all together", () => {
  it("lets WebSockets through every policy, and keeps them through a reload", async () => {
    await site.serve("socket", {
      access: { allow: ["127.0.0.1"] },
      rate_limit: { requests_per_second: 10 },
      headers: { request: { set: { "X-A": "1" } }, response: { set: { "X-B": "2" } } },
      rewrite: { strip_prefix: "/ws" },
      timeouts: { response_header: "1s" },
      max_request_body: "1KB",
      compress: true,
      error_pages: { "5xx": "sorry" },
    });
    const socket = new WebSocket(`ws://127.0.0.1:${site.gatewright.ports.http}/ws`, {
      headers: { host: "socket.test" },
    });
    const echo = async (text: string): Promise<string> => {
      socket.send(text);
      const [message] = (await once(socket, "message")) as [Buffer];
      return message.toString();
    };
    await once(socket, "open");
    expect(await echo("before")).toBe("before");
    await site.serve("another-set", { timeouts: { connect: "1001ms" } });
    expect(await echo("x".repeat(5_000))).toBe("x".repeat(5_000));
    socket.terminate();
  });

  it("shares one policy set among rules with equal policies, and reloads nothing for another host", async () => {
    const policies = {
      access: { allow: ["127.0.0.1"] },
      headers: { request: { set: { "X-One": "1", "X-Two": "2" } } },
    };
    const reordered = {
      headers: { request: { set: { "X-Two": "2", "X-One": "1" } } },
      access: { allow: ["127.0.0.1/32"] },
    };
    await site.serve("shared-one", policies);
    const before = await config();
    await site.serve("shared-two", reordered, { path: { type: "prefix", value: "/x" } });
    await putInstance(site.gatewright.url, "web-2", "127.0.0.1");
    const after = await config();
    expect(after.apps.gatewright.version).toBe(before.apps.gatewright.version);
    expect((await site.visit("shared-two", "/x")).body.headers["x-one"]).toBe("1");
  });
});

async function config(): Promise<CaddyConfig> {
  const admin = `127.0.0.1:${site.gatewright.ports.admin}`;
  const headers = { origin: `http://${admin}` };
  return (await visitFrom<CaddyConfig>(site.gatewright.ports.admin, admin, "/config/", { headers })).body;
}
