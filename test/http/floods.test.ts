import { describe, expect, it } from "vitest";
import { heldUnder, startApiProcess } from "../support/flood.ts";
import { httpCall } from "../support/http-call.ts";
import { instanceFrom } from "../support/instances.ts";
import { signToken } from "../support/sign-token.ts";

const secret = "a secret of the test's own";

const get = (path: string, headers = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

/** About 500 KB as JSON. */
const large = (name: string) => ({
  name,
  rules: Array.from({ length: 800 }, (_, index) => ({
    match: {
      hostname: `${name}.example.com`,
      path: { type: "prefix", value: `/${index}` },
      headers: Object.fromEntries(Array.from({ length: 15 }, (_, one) => [`X-${one}`, "v".repeat(20)])),
    },
    target: { instance: "vm-1", port: 80 },
  })),
});

describe("E1: memory while clients read nothing", () => {
  // The file is 1.4 MB: 240 of them together would be 340 MB.
  it.each([
    ["a few requests ahead on many connections", 15, 16],
    ["many requests ahead on a few connections", 4, 60],
  ])("of pipelined requests for a file, without a token: %s", async (_what, connections, times) => {
    await using api = await startApiProcess({ secret });
    const text = get("/docs/swagger-ui-bundle.js").repeat(times);
    expect(await heldUnder(api, { connections, text })).toBeLessThan(8);
  });

  // Three ingresses make a list of 1.5 MB, and 24 connections ask for 16 of them: 576 MB.
  it.each([
    ["an ingress for each connection", {}, 20],
    ["and no more than calls may hold", { bytesHeld: 4 * 1024 * 1024 }, 10],
  ])(
    "of pipelined lists, with a token: %s",
    async (_what, limits, mostMb) => {
      await using api = await startApiProcess({
        secret,
        limits,
        instances: [instanceFrom({ name: "vm-1" })],
      });
      const authorization = `Bearer ${signToken(secret)}`;
      for (let index = 0; index < 3; index++) {
        const headers = { Authorization: authorization };
        const call = { method: "POST", path: "/ingresses", json: large(`n${index}`), headers };
        const reply = await httpCall(api.url, call);
        expect(reply.status, reply.text).toBe(201);
      }
      const text = get("/ingresses", `Authorization: ${authorization}\r\n`).repeat(16);
      expect(await heldUnder(api, { connections: 24, text })).toBeLessThan(mostMb);
    },
    120_000,
  );
});

describe("memory for bodies that come in pieces of one byte", () => {
  // 1.2 MB in all; each piece by itself would take a hundred bytes more.
  it.each([
    ["/explain", "application/json"],
    ["/apply", "application/x-ndjson"],
  ])(
    "is that of the bytes: %s",
    async (path, type) => {
      await using api = await startApiProcess({ secret });
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${signToken(secret)}\r\n`;
      const body = "1\r\n \r\n".repeat(200_000);
      const text = `${head}Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
      expect(await heldUnder(api, { connections: 6, text })).toBeLessThan(16);
    },
    120_000,
  );
});
