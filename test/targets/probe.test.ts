import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttp2, type Http2Server } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { CheckSettings } from "../../src/targets/check-plan.ts";
import { probe } from "../../src/targets/probe.ts";
import { freePort } from "../support/free-port.ts";

const settings: CheckSettings = {
  scheme: "http",
  path: "/healthz?deep=1",
  intervalMs: 1000,
  timeoutMs: 1000,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
};
const noPairs = () => Promise.reject(new Error("no certificates"));
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listening(server: Server | TcpServer | Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const serve = (listener: RequestListener): Promise<number> => {
  const server = createServer(listener);
  closers.push(() => server.closeAllConnections());
  return listening(server);
};

const check = (port: number, change: Partial<CheckSettings> = {}) =>
  probe({ ip: "127.0.0.1", port }, { ...settings, ...change }, noPairs);

describe("a check", () => {
  it("asks for the path with the address or the given name as host, over a connection of its own", async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      seen.push([request.method, request.url, request.headers.host, request.headers.connection]);
      response.end();
    });
    expect(await check(port)).toBeUndefined();
    expect(await check(port, { host: "shop.example.com" })).toBeUndefined();
    expect(seen).toEqual([
      ["GET", settings.path, `127.0.0.1:${port}`, "close"],
      ["GET", settings.path, "shop.example.com", "close"],
    ]);
  });

  it("takes 200 to 299, or the one status that is asked for", async () => {
    let status = 204;
    const port = await serve((_request, response) => response.writeHead(status).end());
    expect(await check(port)).toBeUndefined();
    expect(await check(port, { status: 200 })).toBe("status 204 instead of 200");
    status = 302;
    expect(await check(port)).toBe("status 302");
    expect(await check(port, { status: 302 })).toBeUndefined();
  });

  it("waits for no body, and not longer than its time", async () => {
    const endless = await serve((_request, response) => {
      response.write("x");
    });
    expect(await check(endless)).toBeUndefined();
    const silent = await serve(() => undefined);
    expect(await check(silent, { timeoutMs: 50 })).toBe("no answer within 50 ms");
  });

  it("says what was wrong with the connection", async () => {
    expect(await check(await freePort())).toBe("ECONNREFUSED");
    const garbage = createTcp((socket) => socket.end("SSH-2.0-OpenSSH\r\n"));
    expect(await check(await listening(garbage))).toMatch(/^HPE_/);
  });

  it("speaks HTTP/2 without TLS where the upstream does", async () => {
    const server = createHttp2((request, response) => {
      response.writeHead(request.url === settings.path ? 200 : 404);
      response.end();
    });
    const port = await listening(server);
    expect(await check(port, { scheme: "h2c" })).toBeUndefined();
    expect(await check(await freePort(), { scheme: "h2c" })).toBe("ECONNREFUSED");
  });
});
