import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "../support/http-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

describe("/docs", () => {
  it("is a page whose every address is our own and is served", async () => {
    const page = await api.call({ path: "/docs" });
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.text).toContain("<title>Gatewright</title>");
    const addresses = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(addresses.length).toBe(4);
    for (const path of addresses) {
      expect(path).toMatch(/^\/docs\/[\w.-]+$/);
      const asset = await api.call({ path });
      expect([path, asset.status]).toEqual([path, 200]);
      expect(asset.headers["content-type"]).toMatch(/javascript|css|png/);
      expect(asset.text.length).toBeGreaterThan(50);
    }
  });

  it("forbids the browser to load or send anything elsewhere", async () => {
    const policy = String((await api.call({ path: "/docs" })).headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  it.each([
    "/docs/",
    "/docs/package.json",
    "/docs/../package.json",
    "/docs/%2e%2e/package.json",
    "/docs/index.js",
  ])("serves nothing else: %s", async (path) => {
    expect((await api.call({ path })).status).toBe(404);
  });

  it("loads the document, without the validator that swagger-ui asks on the internet", async () => {
    const start = await api.call({ path: "/docs/start.js" });
    expect(start.text).toContain('url: "/openapi.json"');
    expect(start.text).toContain("validatorUrl: null");
    const reply = await api.call({ path: "/openapi.json" });
    expect(reply.headers["content-type"]).toBe("application/json");
    const document = reply.json<{ openapi: string; info: { version: string } }>();
    expect([document.openapi, document.info.version]).toEqual(["3.1.0", "1.2.3"]);
  });
});
