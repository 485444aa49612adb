import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gzipSync } from "node:zlib";
import express from "express";
import { describe, expect, it } from "vitest";
import { dashboardRoutes } from "../../src/http/dashboard.ts";
import { notFound } from "../../src/http/error-handler.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { call } from "../support/api.ts";
import { startApi } from "../support/http-api.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";

const browser = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
const PAGE = "<!doctype html><title>Gatewright</title>";
const SCRIPT = "console.log(1);\n".repeat(50);

/** Routes over a folder in which a build may appear. */
const served = use(async () => {
  const folder = await temporaryFolder();
  const server = createHttpServer(express().use(dashboardRoutes(folder.path), notFound));
  const { port } = await server.listen("127.0.0.1", 0);
  return {
    folder: folder.path,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
});

async function write(name: string, text: string): Promise<void> {
  const file = join(served.folder, name);
  await writeFile(file, text);
  await writeFile(`${file}.gz`, gzipSync(text));
  await writeFile(`${file}.br`, brotliCompressSync(text));
}

describe("the dashboard's files", () => {
  it("are told to be on their way while there is no build, and served as soon as there is one", async () => {
    const early = await call(served.url, { headers: browser });
    expect([early.status, early.headers["retry-after"]]).toEqual([503, "2"]);
    expect(early.text).toContain("npm run build");

    await mkdir(join(served.folder, "assets"));
    await write("assets/index-abc.js", SCRIPT);
    await write("index.html", PAGE);
    const { status, text, headers } = await call(served.url, { headers: browser });
    expect([status, text]).toEqual([200, PAGE]);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "referrer-policy": "no-referrer",
    });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
  });

  it("that never change are kept for good, compressed as the client likes it", async () => {
    const url = `${served.url}/assets/index-abc.js`;
    const { headers, text } = await call(url);
    expect(text).toBe(SCRIPT);
    expect(headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
      vary: "Accept-Encoding",
    });
    const packed = await fetch(url, { headers: { "accept-encoding": "br" } });
    expect([packed.headers.get("content-encoding"), await packed.text()]).toEqual(["br", SCRIPT]);
    const small = await call(url, { method: "HEAD", headers: { "accept-encoding": "br" } });
    expect(Number(small.headers["content-length"])).toBe(brotliCompressSync(SCRIPT).length);
    expect(brotliDecompressSync(brotliCompressSync(SCRIPT)).toString()).toBe(SCRIPT);
  });

  it.each([
    "/assets/",
    "/assets/../index.html",
    "/assets/%2e%2e%2findex.html",
    "/index.html",
    "/assets/no.js",
  ])("are served by their names alone: %s", async (path) => {
    expect((await call(served.url + path, { headers: browser })).status).toBe(404);
  });
});

describe("programs that ask for /", () => {
  const api = use(() => startApi({ secret: "s".repeat(32) }));

  it.each([{}, { accept: "application/json" }, { accept: "*/*" }])(
    "get what they got: %j",
    async (headers) => {
      const { status, text } = await api.call({ path: "/", headers });
      expect([status, text]).toEqual([404, "404 page not found\n"]);
    },
  );

  it("and browsers get the page without a token", async () => {
    const { headers } = await api.call({ path: "/", headers: browser });
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
  });
});
