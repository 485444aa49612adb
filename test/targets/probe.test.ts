import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttp2, type Http2Server } from "node:http2";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import type { CheckSettings } from "../../src/targets/check-plan.ts";
import { probe } from "../../src/targets/probe.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
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

async function listening(server: Server | TcpServer | Http2Server, address = "127.0.0.1"): Promise<number> {
  server.listen(0, address);
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

  it("ends with its checker, and leaves no connection behind", async () => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const silent = await serve((request) => {
      asked.resolve();
      request.on("close", closed.resolve);
    });
    const ending = new AbortController();
    const target = { ip: "127.0.0.1", port: silent };
    const verdict = probe(target, { ...settings, timeoutMs: 600_000 }, noPairs, ending.signal);
    await asked.promise;
    ending.abort();
    expect(await verdict).toBe("ended before there was an answer");
    await closed.promise;
    expect(await probe(target, settings, noPairs, ending.signal)).toBe("ended before there was an answer");
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
    expect(await check(port, { scheme: "h2c", path: "/other" })).toBe("status 404");
    expect(await check(await freePort(), { scheme: "h2c" })).toBe("ECONNREFUSED");
  });

  it("writes an address of IPv6 in brackets, also over HTTP/2", async () => {
    const hosts: (string | undefined)[] = [];
    const plain = createServer((request, response) => {
      hosts.push(request.headers.host);
      response.end();
    });
    const h2c = createHttp2((request, response) => {
      hosts.push(request.headers[":authority"]);
      response.end();
    });
    const ports = [await listening(plain, "::1"), await listening(h2c, "::1")];
    for (const [at, scheme] of (["http", "h2c"] as const).entries())
      expect(
        await probe({ ip: "::1", port: ports[at] ?? 0 }, { ...settings, scheme }, noPairs),
      ).toBeUndefined();
    expect(hosts).toEqual(ports.map((port) => `[::1]:${port}`));
  });

  it("is of layer 4 a connection and no more", async () => {
    const sent = Promise.withResolvers<number>();
    const server = createTcp((socket) => {
      let bytes = 0;
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => (bytes += chunk.length)).on("close", () => sent.resolve(bytes));
    });
    expect(await check(await listening(server), { scheme: "tcp" })).toBeUndefined();
    expect(await sent.promise).toBe(0);
    expect(await check(await freePort(), { scheme: "tcp" })).toBe("ECONNREFUSED");
  });
});

describe("a check over TLS", () => {
  it("takes any certificate, shows the rule's, and names the server", async () => {
    const authority = await createTestAuthority();
    const [own, shown] = [
      await authority.issue({ names: ["else.test"] }),
      await authority.issue({ commonName: "gatewright" }),
    ];
    const seen: unknown[] = [];
    const server = createHttps(
      {
        cert: own.certificate,
        key: own.key,
        ca: authority.pem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        const { servername, getPeerCertificate } = request.socket as TLSSocket;
        const { subject } = getPeerCertificate.call(request.socket);
        seen.push([servername, request.headers.host, subject?.CN]);
        response.end();
      },
    );
    const port = await listening(server);
    const pairs = async (id: string): Promise<string> => {
      if (id !== "c1") throw new Error(`no certificate ${id}`);
      return `${shown.certificate}\n${shown.key}`;
    };
    const over = (change: Partial<CheckSettings>) =>
      probe({ ip: "127.0.0.1", port }, { ...settings, scheme: "https", ...change }, pairs);
    expect(await over({})).toBeUndefined();
    expect(await over({ host: "shop.test" })).toBeUndefined();
    expect(await over({ host: "shop.test", serverName: "vm.test" })).toBeUndefined();
    expect(await over({ serverName: "192.0.2.1" })).toBeUndefined();
    expect(await over({ serverName: "vm.test", certificate: "c1" })).toBeUndefined();
    expect(await over({ certificate: "c2" })).toBe("no certificate c2");
    const address = `127.0.0.1:${port}`;
    expect(seen).toEqual([
      [false, address, undefined],
      ["shop.test", "shop.test", undefined],
      ["vm.test", "shop.test", undefined],
      [false, address, undefined],
      ["vm.test", address, "gatewright"],
    ]);
  });
});
