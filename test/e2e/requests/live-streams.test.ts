import { once } from "node:events";
import { createServer as createPlainServer } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { rule } from "../../support/api.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const LIMIT_MS = 500;
/** Silence is what is tested here: it has to last longer than the limit. */
const SILENCE_MS = 3 * LIMIT_MS;

const gatewright = useGatewright(
  {
    READ_IDLE_TIMEOUT: `${LIMIT_MS}ms`,
    HTTP2_CLEARTEXT: "true",
    TLS_ISSUER: "internal",
    TLS_ALLOWED_DOMAINS: "*",
  },
  ["web"],
);

/** Speaks as gRPC does: `/echo` answers each message, `/sum` all of them at their end, `/late` after a silence of its own. */
const instance = use(async () => {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on(
    "stream",
    (stream, headers) => void answer(stream, String(headers[":path"])).catch(() => undefined),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { readonly port: number }).port,
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
});

/** Speaks HTTP/1.1 alone, and answers when it has read the request. */
const elder = use(async () => {
  const server = createPlainServer((request, response) => {
    request.on("error", () => undefined).on("end", () => response.end("read"));
    request.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { readonly port: number }).port,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
});

async function answer(stream: ServerHttp2Stream, path: string): Promise<void> {
  stream.on("error", () => undefined);
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  const head = { ":status": 200, "content-type": "application/grpc" };
  const options = { waitForTrailers: true };
  if (path === "/echo") {
    stream.respond(head, options);
    stream.pipe(stream);
    return;
  }
  if (path === "/late") {
    await once(stream, "data");
    await sleep(SILENCE_MS);
    stream.respond(head, options);
    stream.end("late");
    return;
  }
  const whole = await text(stream);
  stream.respond(head, options);
  stream.end(whole);
}

const plain = (hostname: string, more: object): IngressRuleInput =>
  rule(hostname, "web", instance.port, {}, { upstream: { scheme: "h2c" }, ...more });

/** Opens a stream whose half stays open. */
async function open(
  host: string,
  path: string,
  { secure = false, contentType = "application/grpc" } = {},
): Promise<{ session: ClientHttp2Session; stream: ClientHttp2Stream }> {
  const { http, https } = gatewright.ports;
  const session = secure
    ? connect(`https://127.0.0.1:${https}`, { servername: host, rejectUnauthorized: false })
    : connect(`http://127.0.0.1:${http}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    ":authority": host,
    "content-type": contentType,
    te: "trailers",
  });
  stream.on("error", () => undefined);
  stream.write("one ");
  return { session, stream };
}

const status = async (stream: ClientHttp2Stream): Promise<number> => {
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status"?: number }];
  return headers[":status"] ?? 0;
};

describe.each([
  ["h2c", false],
  ["TLS", true],
] as const)("E9: a live stream over %s", (name, secure) => {
  const host = `${name.toLowerCase()}.test`;

  it("is made", async () => {
    await gatewright.make(name.toLowerCase(), plain(host, secure ? { tls: true } : {}));
    await until(async () => {
      const { session, stream } = await open(host, "/sum", { secure });
      stream.end();
      const got = await status(stream).catch(() => 0);
      session.destroy();
      return got === 200;
    });
  });

  it.each(["application/grpc", "application/grpc+proto", "application/octet-stream"])(
    "of both sides and the type %s outlives a client's silence",
    async (contentType) => {
      const { session, stream } = await open(host, "/echo", { secure, contentType });
      expect(await status(stream)).toBe(200);
      await sleep(SILENCE_MS);
      stream.end("two");
      const trailers = once(stream, "trailers");
      expect(await text(stream)).toBe("one two");
      expect((await trailers)[0]).toMatchObject({ "grpc-status": "0" });
      session.destroy();
    },
  );

  it("of the client's messages alone does too", async () => {
    const { session, stream } = await open(host, "/sum", { secure });
    await sleep(SILENCE_MS);
    stream.end("two");
    expect(await status(stream)).toBe(200);
    expect(await text(stream)).toBe("one two");
    session.destroy();
  });

  it("whose instance takes its time is not ended", async () => {
    const { session, stream } = await open(host, "/late", { secure });
    expect(await status(stream)).toBe(200);
    expect(await text(stream)).toBe("late");
    session.destroy();
  });

  it("of another kind is ended while the request is read", async () => {
    const { session, stream } = await open(host, "/sum", { secure, contentType: "text/plain" });
    expect(await status(stream)).toBe(408);
    session.destroy();
  });
});

describe("E9: READ_IDLE_TIMEOUT", () => {
  /** Sends half of a body, and reads what comes. */
  async function stall(host: string, halves: readonly [string, string], pauseMs: number): Promise<string> {
    const socket = connectTcp(gatewright.ports.http, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      `POST /sum HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 10\r\n\r\n${halves[0]}`,
    );
    const answered = text(socket);
    await Promise.race([sleep(pauseMs), answered]);
    // Without an end: a server takes that for a client that is gone.
    socket.write(halves[1]);
    return answered;
  }

  it("ends an upload that stalls", async () => {
    await gatewright.make("stall", plain("stall.test", {}));
    expect(await stall("stall.test", ["01234", ""], 20_000)).toMatch(/^HTTP\/1\.1 408 /);
    expect(await stall("stall.test", ["01234", "56789"], 0)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("is another where the rule has one, for gRPC too", async () => {
    await gatewright.make("patient", plain("patient.test", { policies: { timeouts: { read_idle: "1h" } } }));
    expect(await stall("patient.test", ["01234", "56789"], SILENCE_MS)).toMatch(/^HTTP\/1\.1 200 /);
    await gatewright.make("hasty", plain("hasty.test", { policies: { timeouts: { read_idle: "1s" } } }));
    const { session, stream } = await open("hasty.test", "/sum");
    expect(await status(stream)).toBe(408);
    session.destroy();
    const live = await open("hasty.test", "/echo");
    expect(await status(live.stream)).toBe(200);
    await sleep(SILENCE_MS);
    live.stream.end("two");
    expect(await text(live.stream)).toBe("one two");
    live.session.destroy();
  });

  it("holds for what only calls itself gRPC, to an instance that speaks none", async () => {
    await gatewright.make("elder", rule("elder.test", "web", elder.port));
    const { session, stream } = await open("elder.test", "/");
    expect(await status(stream)).toBe(408);
    session.destroy();
  });

  it("is refused where it is no time", async () => {
    for (const read_idle of ["0s", "25h", "soon"]) {
      const { status, body } = await gatewright.create(
        "wrong",
        plain("wrong.test", { policies: { timeouts: { read_idle } } }),
      );
      expect([status, body]).toMatchObject([
        400,
        { details: [{ field: "rules[0].policies.timeouts.read_idle" }] },
      ]);
    }
  });
});
