import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text as readText } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { createHttpServer } from "../../src/http/server.ts";
import { openSilent } from "../support/flood.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { until } from "../support/until.ts";

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const bundle = get("/docs/swagger-ui-bundle.js");
/** 22 MB of answers: more than the kernel's buffers hold. */
const bundles = bundle.repeat(16);

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Resolves when the other end has closed the connection, in whatever way. */
function closed(socket: Socket): Promise<void> {
  socket.on("error", () => undefined).resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** Of an ingress whose answer is larger than 64 KiB. */
const largeRules = Array.from({ length: 700 }, (_, at) => ({
  match: { hostname: "large.example.com", path: { type: "exact", value: `/${at}` } },
  target: { instance: "vm", port: 80 },
}));

const answers = (text: string): readonly string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = ""]) => status);

describe("E1: requests that a client sends ahead", () => {
  it("are answered one after another, in their order", async () => {
    let under = 0;
    let most = 0;
    const server = createHttpServer((request, response) => {
      most = Math.max(most, ++under);
      setImmediate(() => {
        under--;
        response.end(request.url);
      });
    });
    const { port } = await server.listen("127.0.0.1", 0);
    const socket = await open(port);
    const paths = Array.from({ length: 16 }, (_, index) => `/${index}`);
    socket.write(paths.map(get).join("") + get("/last").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    const text = await readText(socket);
    expect([...text.matchAll(/^\/\w+/gm)].map(String)).toEqual(
      [...paths, "/last"].map((path) => expect.stringContaining(path)),
    );
    expect(most).toBe(1);
    await server.close();
  });

  it("with bodies are read whole", async () => {
    await using api = await startApi();
    const socket = await open(api.port);
    const body = JSON.stringify({ network: { ip: "10.0.0.1" } });
    const put = (name: string, last = ""): string =>
      `PUT /instances/${name} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${last}\r\n${body}`;
    socket.write(`${put("a")}${put("b")}${put("c", "Connection: close\r\n")}`);
    expect(answers(await readText(socket))).toEqual(["201", "201", "201"]);
  });

  it("end the connection when they are too many", async () => {
    await using api = await startApi({ limits: { waitingRequests: 3 } });
    const socket = await openSilent(api.port);
    socket.write(bundle.repeat(5));
    await closed(socket);
    expect((await api.call({ path: "/health" })).status).toBe(200);
  });
});

describe("E1: a client that reads nothing", () => {
  const limits = { writeTimeoutMs: 200 };

  it("is cut after the write timeout, also while it goes on sending", async () => {
    await using api = await startApi({ limits });
    const socket = await openSilent(api.port);
    socket.write(`${bundles}GET /health HTTP/1.1\r\nX-Slow: `);
    const trickle = setInterval(() => socket.write("x"), 20);
    // Writing to what has been cut fails, without a byte being read.
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(trickle);
    expect(api.logger.entries.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is not cut while it reads slowly", async () => {
    await using api = await startApi({ limits });
    const socket = await open(api.port);
    socket.write(bundle);
    let length = 0;
    // A few reads for each write timeout, for several of them.
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > 1_400_000) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(length).toBeGreaterThan(1_400_000);
  });
});

describe("E1: bounds", () => {
  /** A connection with a call that stays under way. */
  const busy = async ({ port }: TestApi): Promise<Socket> => {
    const socket = await openSilent(port);
    socket.write(bundles);
    await once(socket, "readable");
    return socket;
  };

  it.each([{ connectionsOfClient: 3 }, { connections: 3 }])(
    "refuse a connection beyond %j with 503, and take it again when there is room",
    async (limits) => {
      await using api = await startApi({ limits });
      const sockets = [await busy(api), await busy(api), await busy(api)];
      const refused = await api.call({ path: "/health" });
      expect([refused.status, refused.json()["code"], refused.headers["retry-after"]]).toEqual([
        503,
        "overloaded",
        "1",
      ]);
      sockets[0]?.destroy();
      await until(async () => (await api.call({ path: "/health" })).status === 200);
      for (const socket of sockets) socket.destroy();
    },
  );

  it("close the connection that is idle for longest before they refuse one", async () => {
    await using api = await startApi({ limits: { connectionsOfClient: 2 } });
    const [first, second] = [await open(api.port), await open(api.port)];
    first.write(get("/health"));
    await once(first, "data");
    const dropped = closed(second);
    expect((await api.call({ path: "/health" })).status).toBe(200);
    await dropped;
    first.write(get("/health"));
    const [answer] = (await once(first, "data")) as [Buffer];
    expect(answers(String(answer))).toEqual(["200"]);
    first.destroy();
  });

  it("refuse bodies beyond the bytes that calls may hold together, until they are given back", async () => {
    await using api = await startApi({ limits: { bytesHeld: 1000 } });
    const slow = await open(api.port);
    slow.write(
      "PUT /instances/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{",
    );
    const put = () => api.call({ method: "PUT", path: "/instances/b", raw: " ".repeat(200) });
    const chunked = () =>
      api.call({
        method: "PUT",
        path: "/instances/b",
        raw: " ".repeat(200),
        headers: { "Transfer-Encoding": "chunked" },
      });
    for (const call of [put, chunked])
      await until(async () => {
        const { status, text } = await call();
        return status === 503 && text.includes('"code":"overloaded"');
      });
    slow.destroy();
    await until(async () => (await put()).status === 400);
  });
});

describe("E1: bounds by client", () => {
  /** An open connection of a client at this loopback address that has made no call. */
  const from = async (port: number, localAddress: string): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    await once(socket, "connect");
    return socket;
  };
  const answered = async (socket: Socket): Promise<string> => {
    socket.write(get("/health"));
    const [answer] = (await once(socket, "data")) as [Buffer];
    return String(answer).slice(9, 12);
  };

  it("close no idle connection of another client", async () => {
    await using api = await startApi({ limits: { connectionsOfClient: 1 } });
    const other = await from(api.port, "127.0.0.2");
    const first = await from(api.port, "127.0.0.3");
    const gone = closed(first);
    const second = await from(api.port, "127.0.0.3");
    expect(await answered(second)).toBe("200");
    await gone;
    expect(await answered(other)).toBe("200");
    for (const socket of [other, second]) socket.destroy();
  });

  it("make room for as many as come at once", async () => {
    await using api = await startApi({ limits: { connectionsOfClient: 3 } });
    const idle = await Promise.all([1, 2, 3].map(() => from(api.port, "127.0.0.2")));
    const gone = idle.map((socket) => closed(socket));
    const come = await Promise.all([1, 2, 3].map(() => from(api.port, "127.0.0.2")));
    await Promise.all(gone);
    for (const socket of come) expect(await answered(socket)).toBe("200");
    for (const socket of come) socket.destroy();
  });

  it("of all together close whichever was idle for longest", async () => {
    await using api = await startApi({ limits: { connections: 2 } });
    const oldest = await from(api.port, "127.0.0.2");
    const newer = await from(api.port, "127.0.0.3");
    const gone = closed(oldest);
    const newest = await from(api.port, "127.0.0.4");
    await gone;
    expect([await answered(newer), await answered(newest)]).toEqual(["200", "200"]);
    for (const socket of [newer, newest]) socket.destroy();
  });
});

it("E1: answers that are larger than all calls may hold are refused, and others given back when they are sent", async () => {
  const path = "/openapi.json";
  await using api = await startApi();
  const length = Number((await api.call({ method: "HEAD", path })).headers["content-length"]);
  await using small = await startApi({ limits: { bytesHeld: length - 1 } });
  const refused = await small.call({ path });
  expect([refused.status, refused.json(), refused.headers["retry-after"]]).toEqual([
    503,
    {
      code: "overloaded",
      message: "other calls hold as much memory as calls may take; nothing was changed. Try again.",
    },
    "1",
  ]);
  // Of these nothing is held.
  expect((await small.call({ method: "HEAD", path })).status).toBe(200);
  await using enough = await startApi({ limits: { bytesHeld: length } });
  for (let calls = 0; calls < 3; calls++)
    await until(async () => (await enough.call({ path })).status === 200);
});

it("C9: leaves nothing of a request that its client aborts", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const sockets: WeakRef<Socket>[] = [];
  const server = createHttpServer((request) => void sockets.push(new WeakRef(request.socket)));
  const { port } = await server.listen("127.0.0.1", 0);
  for (let index = 0; index < 20; index++) {
    const socket = await open(port);
    socket.write(get("/"));
    await until(() => sockets.length > index);
    socket.destroy();
  }
  const left = (): number => {
    collect();
    return sockets.filter((socket) => socket.deref() !== undefined).length;
  };
  // The last one may still be on some stack.
  await until(() => left() <= 2);
  await server.close();
});

it("E1: a change that was made is answered, however much is held", async () => {
  const body = JSON.stringify({ name: "large", rules: largeRules });
  await using api = await startApi({
    limits: { bytesHeld: body.length + 1000 },
    instances: [instanceFrom({ name: "vm" })],
  });
  const headers = { "Content-Type": "application/json" };
  const post = () => api.call({ method: "POST", path: "/ingresses", headers, raw: body });
  const made = await post();
  expect([made.status, made.text.length > body.length]).toEqual([201, true]);
  // And then nothing is held.
  await until(async () => (await post()).status === 409);
});

it("E1: what calls hold is given back also when the client goes before its answer is made", async () => {
  await using api = await startApi({
    limits: { bytesHeld: 400_000 },
    instances: [instanceFrom({ name: "vm" })],
  });
  const { headers } = await api.call({
    method: "POST",
    path: "/ingresses",
    json: { name: "large", rules: largeRules },
  });
  for (let calls = 0; calls < 8; calls++) {
    const entered = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    api.world.store.beforeCommit = () => {
      entered.resolve();
      return gone.promise;
    };
    const socket = await open(api.port);
    const body = JSON.stringify({ tags: { calls: String(calls) } });
    socket.write(
      `PATCH ${headers.location} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await entered.promise;
    socket.destroy();
    // Calls after it tell that its end was seen.
    for (let after = 0; after < 3; after++) await api.call({ path: "/health" });
    gone.resolve();
  }
  api.world.store.beforeCommit = () => Promise.resolve();
  const reply = await api.call({ path: String(headers.location) });
  expect([reply.status, reply.text.length > 64 * 1024]).toEqual([200, true]);
});

it("E1: a body in many chunks is counted as one", async () => {
  await using api = await startApi();
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  const socket = await open(api.port);
  socket.write(
    "PUT /instances/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
  );
  for (let chunks = 0; chunks < 20; chunks++) {
    socket.write("1\r\n \r\n");
    // A call after it tells that it was read.
    await api.call({ path: "/health" });
  }
  socket.write("0\r\n\r\n");
  expect(answers(await readText(socket))).toEqual(["400"]);
  process.off("warning", warned);
  expect(warnings).toEqual([]);
});
