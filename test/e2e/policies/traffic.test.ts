import { once } from "node:events";
import { createServer as createHttp, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createGunzip, gunzipSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { usePolicySite } from "../../support/use-policy-site.ts";

const site = usePolicySite();

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
    const port = await site.listen(createHttp((_request, response) => answer(response)));
    await site.servePort("timeouts", port, {
      policies: { timeouts: { connect: "5s", response_header: "2s" } },
    });
    const begun = new Promise<ServerResponse>((resolve) => {
      answer = (response) => response.write("begun, ", () => resolve(response));
    });
    const long = site.visit("timeouts");
    const response = await begun;
    // Who comes later has waited for as long as the one that has begun is open.
    answer = () => {};
    const late = await site.visit("timeouts", "/", { method: "POST", body: "x" });
    expect(late.status).toBe(504);
    response.end("and ended");
    expect((await long).text).toBe("begun, and ended");
  });
});

describe("maximum request body", () => {
  it("answers 413, with and without a Content-Length", async () => {
    await site.serve("body", { max_request_body: "1KB" });
    const send = async (bytes: number, headers = {}): Promise<number> =>
      (await site.visit("body", "/whole", { method: "POST", body: "x".repeat(bytes), headers })).status;
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
