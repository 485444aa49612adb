import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { text as readText } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import { defaultLimits } from "../../src/http/limits.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { freePort } from "../support/free-port.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { signToken } from "../support/sign-token.ts";

async function open(api: TestApi): Promise<Socket> {
  const socket = connect(api.port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** The JSON after the headers of a raw answer. */
function bodyOf(answer: string): { code: string } {
  return JSON.parse(answer.split("\r\n\r\n")[1] ?? "") as { code: string };
}

describe("limits", () => {
  it("refuses a body that announces too much, and one that grows too large", async () => {
    await using api = await startApi({ limits: { bodyBytes: 1000 } });
    const headers = { "Content-Type": "application/json" };
    const announced = await api.call({ method: "POST", path: "/ingresses", headers, raw: " ".repeat(1001) });
    const chunked = { ...headers, "Transfer-Encoding": "chunked" };
    const grown = await api.call({
      method: "POST",
      path: "/ingresses",
      headers: chunked,
      raw: " ".repeat(500_000),
    });
    for (const reply of [announced, grown]) {
      expect([reply.status, reply.json()["code"]]).toEqual([413, "payload_too_large"]);
      expect(reply.headers["x-should-retry"]).toBe("false");
    }
    const fits = await api.call({ method: "POST", path: "/ingresses", headers, raw: " ".repeat(1000) });
    expect(fits.status).toBe(400);
  });

  it("refuses a large body before reading it when the caller has no token", async () => {
    await using api = await startApi({ secret: "s", limits: { bodyBytes: 1000 } });
    expect((await api.call({ method: "POST", path: "/ingresses", raw: " ".repeat(5000) })).status).toBe(401);
  });

  it("C2: refuses a call that the token does not permit before it reads the body", async () => {
    await using api = await startApi({ secret: "a secret of the test's own" });
    const token = signToken("a secret of the test's own", { permissions: ["ingress:read"] });
    const socket = await open(api);
    socket.write(
      `POST /ingresses HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 9\r\n\r\n`,
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  it("answers headers that are too large with 431 in JSON", async () => {
    await using api = await startApi({ limits: { headerBytes: 2048 } });
    const reply = await api.call({ path: "/health", headers: { "X-Large": "x".repeat(4096) } });
    expect([reply.status, reply.json()["code"]]).toEqual([431, "Bad Request"]);
  });

  it("answers what is no HTTP with 400 in JSON", async () => {
    await using api = await startApi();
    const socket = await open(api);
    socket.end("nonsense\r\n\r\n");
    const answer = await readText(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(bodyOf(answer).code).toBe("Bad Request");
  });

  it.each([
    [
      "headers",
      { headersTimeoutMs: 150, requestTimeoutMs: 150 },
      "GET /health HTTP/1.1\r\nHost: localhost\r\n",
    ],
    [
      "a body",
      { headersTimeoutMs: 150, requestTimeoutMs: 150 },
      "POST /ingresses HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    ],
  ])("ends a connection whose client never finishes %s", async (_what, limits, begun) => {
    await using api = await startApi({ limits });
    const socket = await open(api);
    socket.write(begun);
    const answer = await readText(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(api.logger.entries.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("what Node refuses", () => {
  const raw = async (text: string): Promise<string> => {
    await using api = await startApi();
    const socket = await open(api);
    socket.write(text);
    return await readText(socket);
  };
  const post = "POST /ingresses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

  it.each([
    ["chunks with long extensions", `${post}1;${"x".repeat(20_000)}\r\n{\r\n`, 413, "payload too large"],
    ["a chunk without a size", `${post}x\r\n`, 400, "bad request"],
  ])("gets JSON and no other try: %s", async (_what, text, status, message) => {
    const answer = await raw(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain("x-should-retry: false\r\n");
    expect(answer).toContain("Connection: close\r\n");
    expect(bodyOf(answer)).toEqual({ code: "Bad Request", message });
  });
});

it("closes a connection on which nothing happens while it is served", async () => {
  const gone = Promise.withResolvers<void>();
  const limits = { ...defaultLimits, idleTimeoutMs: 100 };
  const server = createHttpServer((request) => request.once("close", () => gone.resolve()), limits);
  const { port } = await server.listen("127.0.0.1", 0);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await readText(socket)).toBe("");
  await gone.promise;
  await server.close();
});

describe("the server", () => {
  it("says whether an address is taken or not this machine's", async () => {
    await using api = await startApi();
    const taken = createHttpServer(() => undefined).listen("127.0.0.1", api.port);
    await expect(taken).rejects.toSatisfy((error) => isGatewrightError(error, "address_in_use"));
    const foreign = createHttpServer(() => undefined).listen("192.0.2.1", await freePort());
    await expect(foreign).rejects.toSatisfy((error) => isGatewrightError(error, "address_unavailable"));
  });

  it("lets requests end when it closes, drops idle connections, and takes no new ones", async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const server = createHttpServer((_request, response) => arrived.resolve(response));
    const { port } = await server.listen("127.0.0.1", 0);
    const idle = connect(port, "127.0.0.1");
    const busy = connect(port, "127.0.0.1");
    await Promise.all([once(idle, "connect"), once(busy, "connect")]);
    busy.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const response = await arrived.promise;
    const closed = server.close();
    await readText(idle);
    response.end("done");
    expect(await readText(busy)).toContain("done");
    await closed;
    const [error] = (await once(connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  it("sends an answer whole that was given to the socket before it closes", async () => {
    const body = "x".repeat(20_000_000);
    const given = Promise.withResolvers<void>();
    const server = createHttpServer((_request, response) => {
      response.end(body);
      given.resolve();
    });
    const { port } = await server.listen("127.0.0.1", 0);
    const slow = connect(port, "127.0.0.1").pause();
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await given.promise;
    const closed = server.close();
    const answer = await readText(slow);
    expect(answer.length).toBeGreaterThan(body.length);
    await closed;
  });

  it("begins no further request of a connection when it closes", async () => {
    const begun: ServerResponse[] = [];
    const first = Promise.withResolvers<void>();
    const server = createHttpServer((_request, response) => {
      begun.push(response);
      first.resolve();
    });
    const { port } = await server.listen("127.0.0.1", 0);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2));
    await first.promise;
    const closed = server.close();
    begun[0]?.end("first");
    expect(await readText(socket)).toMatch(/first$/);
    await closed;
    expect(begun).toHaveLength(1);
  });

  it("cuts what has not ended after the grace", async () => {
    const arrived = Promise.withResolvers<void>();
    const server = createHttpServer(() => arrived.resolve());
    const { port } = await server.listen("127.0.0.1", 0);
    const stuck = connect(port, "127.0.0.1");
    stuck.on("error", () => undefined);
    const cut = new Promise<void>((resolve) => stuck.once("close", () => resolve()));
    stuck.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await arrived.promise;
    await server.close(50);
    await cut;
  });
});
