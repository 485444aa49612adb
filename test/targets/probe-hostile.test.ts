import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import type { CheckSettings } from "../../src/targets/check-plan.ts";
import { HealthChecks } from "../../src/targets/health-checks.ts";
import { probe, type Verdict } from "../../src/targets/probe.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const TIMEOUT_MS = 300;
const settings: CheckSettings = {
  scheme: "http",
  path: "/",
  intervalMs: 1000,
  timeoutMs: TIMEOUT_MS,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
};

/** An HTTP/2 frame (RFC 9113 section 4.1) of stream 0 or 1, without content. */
const frame = (type: number, stream: number, body = Buffer.alloc(0), flags = 0): Buffer =>
  Buffer.concat([Buffer.from([0, body.length >> 8, body.length & 255, type, flags, 0, 0, 0, stream]), body]);
const SETTINGS = frame(4, 0);

/** Sends the text again and again until the connection ends. */
function endlessly(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 5);
  socket.on("close", () => clearInterval(timer));
}

const noPairs = () => Promise.reject(new Error("no certificates"));

/** What a server sends to a request, and what a check makes of it. */
const hostile: readonly {
  readonly what: string;
  readonly scheme?: CheckSettings["scheme"];
  readonly answer: (socket: Socket) => void;
  readonly verdict: Verdict | RegExp;
}[] = [
  {
    what: "101",
    answer: (socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    verdict: "status 101",
  },
  {
    what: "101 with bytes of another protocol behind it",
    answer: (socket) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\0\0\0hello",
      );
      endlessly(socket, "more");
    },
    verdict: "status 101",
  },
  {
    what: "101 without an upgrade",
    answer: (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    verdict: /^(status 101|HPE_.*|no answer within 300 ms)$/,
  },
  {
    what: "200 that claims to switch protocols, as to CONNECT",
    answer: (socket) =>
      socket.write("HTTP/1.1 200 Connection established\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    verdict: undefined,
  },
  {
    what: "endless headers",
    answer: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      endlessly(socket, `x: ${"y".repeat(4000)}\r\n`);
    },
    verdict: /^(HPE_HEADER_OVERFLOW|no answer within 300 ms)$/,
  },
  {
    what: "headers that trickle",
    answer: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      endlessly(socket, "x");
    },
    verdict: "no answer within 300 ms",
  },
  {
    what: "interim answers without an end",
    answer: (socket) => endlessly(socket, "HTTP/1.1 102 Processing\r\n\r\n"),
    verdict: "no answer within 300 ms",
  },
  {
    what: "an endless body",
    answer: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      endlessly(socket, "x".repeat(1000));
    },
    verdict: undefined,
  },
  {
    what: "a chunked body with endless trailers",
    answer: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
      endlessly(socket, "trailer: x\r\n");
    },
    verdict: undefined,
  },
  { what: "nothing", answer: () => undefined, verdict: "no answer within 300 ms" },
  { what: "a close", answer: (socket) => socket.end(), verdict: "ECONNRESET" },
  { what: "a reset", answer: (socket) => socket.resetAndDestroy(), verdict: "ECONNRESET" },
  {
    what: "a reset in the midst of headers",
    answer: (socket) => socket.write("HTTP/1.1 200 OK\r\nx:", () => socket.resetAndDestroy()),
    verdict: "ECONNRESET",
  },
  {
    what: "nothing, asked for HTTP/2",
    scheme: "h2c",
    answer: () => undefined,
    verdict: "no answer within 300 ms",
  },
  {
    what: "settings alone, asked for HTTP/2",
    scheme: "h2c",
    answer: (socket) => endlessly(socket, SETTINGS.toString("latin1")),
    verdict: "no answer within 300 ms",
  },
  {
    what: "GOAWAY, asked for HTTP/2",
    scheme: "h2c",
    answer: (socket) => socket.write(Buffer.concat([SETTINGS, frame(7, 0, Buffer.alloc(8))])),
    verdict: /./,
  },
  {
    what: "RST_STREAM, asked for HTTP/2",
    scheme: "h2c",
    answer: (socket) => socket.write(Buffer.concat([SETTINGS, frame(3, 1, Buffer.from([0, 0, 0, 0]))])),
    verdict: "closed without an answer",
  },
  {
    what: "a close, asked for HTTP/2",
    scheme: "h2c",
    answer: (socket) => socket.end(),
    verdict: /./,
  },
  {
    what: "nothing, asked for TLS",
    scheme: "https",
    answer: () => undefined,
    verdict: "no answer within 300 ms",
  },
];

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that answers so to whatever it is sent first; `open` counts its connections. */
async function serve(answer: (socket: Socket) => void): Promise<{ port: number; open: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", () => answer(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, open: () => sockets.size };
}

describe("C1: a check ends, whatever it is answered", () => {
  it.each(hostile)("$what", { timeout: 10_000 }, async ({ answer, scheme = "http", verdict }) => {
    const { port, open } = await serve(answer);
    const found = await probe({ ip: "127.0.0.1", port }, { ...settings, scheme }, noPairs);
    if (verdict instanceof RegExp) expect(found).toMatch(verdict);
    else expect(found).toBe(verdict);
    // And leaves no connection behind.
    await until(() => open() === 0, 5_000);
  });

  it("and gives its slot back: with one slot, the check behind all of them is made", async () => {
    const servers = await Promise.all(hostile.map(({ answer }) => serve(answer)));
    const good = await serve((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    const health = new HealthChecks({
      resolver: { resolve: () => ({ kind: "unknown" }), watch: () => () => undefined },
      refuses: () => undefined,
      probe: (target, how) => probe(target, how, noPairs),
      logger: recordingLogger(),
      atOnce: 1,
    });
    closers.push(() => health.stop());
    const active = { interval: "1h", timeout: "100ms" };
    const rules = [
      ...hostile.map(({ scheme = "http" }, at) => ({ scheme, port: servers[at]?.port ?? 0 })),
      { scheme: "http" as const, port: good.port },
    ].map(({ scheme, port }, at) => ({
      match: { hostname: `r${at}.example.com`, port: 80 },
      target: { address: "127.0.0.1", port },
      ...(scheme === "tcp" ? {} : { upstream: { scheme } }),
      tls: false,
      redirect_http: false,
      policies: { health_check: { active } },
    }));
    const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };
    const ingress: Ingress = { id: "hostile", name: "hostile", rules, ...times };
    await health.start([ingress]);
    const { port } = good;
    expect(health.stateOf(ingress, rules.length - 1, `127.0.0.1:${port}`)?.health).toBe("healthy");
  });
});
