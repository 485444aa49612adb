import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type HypemanOptions, HypemanResolver } from "../../src/resolver/hypeman.ts";
import type { ResolverChange } from "../../src/resolver/instance-resolver.ts";
import { type HypemanServer, startHypeman } from "../support/hypeman-server.ts";
import { type InstanceSketch, instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { instanceResolverContract } from "./instance-resolver.contract.ts";

const token = "a-secret-token";
const web: InstanceSketch = { id: "aaa111", name: "web", ip: "10.0.0.1" };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startServer(...sketches: InstanceSketch[]): Promise<HypemanServer> {
  const hypeman = await startHypeman(token);
  closers.push(() => hypeman.close());
  hypeman.instances = sketches.map(instanceFrom);
  return hypeman;
}

async function follow(url: string, options: Partial<HypemanOptions> = {}): Promise<HypemanResolver> {
  const resolver = new HypemanResolver({ url, token, intervalMs: 20, logger: recordingLogger(), ...options });
  closers.push(() => resolver.close());
  await resolver.start();
  return resolver;
}

instanceResolverContract("a followed hypeman", async (initial) => {
  const hypeman = await startHypeman(token);
  hypeman.instances = initial.map(instanceFrom);
  const resolver = new HypemanResolver({
    url: hypeman.url,
    token,
    intervalMs: 100,
    askAgainMs: 0,
    logger: recordingLogger(),
  });
  await resolver.start();
  return {
    resolver,
    set: async (sketches) => {
      hypeman.instances = sketches.map(instanceFrom);
    },
    close: async () => {
      await resolver.close();
      await hypeman.close();
    },
  };
});

describe("the question to hypeman", () => {
  it("is GET /instances with the token, below the base URL's path", async () => {
    const hypeman = await startHypeman(token, { path: "/vm" });
    closers.push(() => hypeman.close());
    hypeman.instances = [instanceFrom(web)];
    const resolver = await follow(hypeman.url);
    expect(resolver.list()).toEqual([
      {
        ...instanceFrom(web),
        network: { enabled: true, ip: "10.0.0.1", name: "default", mac: "02:00:00:ab:cd:ef" },
      },
    ]);
  });

  it("uses what can be read of a list, and logs the rest", async () => {
    const hypeman = await startServer();
    hypeman.fault = (response) => {
      const good = { ...instanceFrom(web), state: "Hibernating", network: undefined };
      response.end(
        JSON.stringify([
          good,
          5,
          { id: "x" },
          { ...good, name: "twice" },
          { ...good, id: "y", network: { ip: 7 } },
        ]),
      );
    };
    const logger = recordingLogger();
    const resolver = await follow(hypeman.url, { logger });
    expect(resolver.list()).toMatchObject([
      { name: "web", state: "Unknown", network: { enabled: false, ip: null } },
    ]);
    const problems = logger.entries.flatMap((entry) => entry.fields["problems"] ?? []);
    expect(problems.map((problem) => String(problem).slice(0, 3))).toEqual(["[1]", "[2]", "[3]", "[4]"]);
  });
});

describe("while hypeman fails", () => {
  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ["a status", (response) => response.writeHead(503).end("{}"), /status 503/],
    ["no JSON", (response) => response.end("<html>"), /not JSON/],
    ["half an answer", (response) => response.writeHead(200, { "Content-Length": 99 }).end("["), /.+/],
    ["no list", (response) => response.end("{}"), /not a JSON array/],
    ["a cut connection", (response) => response.destroy(), /.+/],
    ["silence", () => undefined, /no answer within 1000 ms/],
  ])("%s keeps the last list, and is told by status()", async (_, fault, reason) => {
    const hypeman = await startServer(web);
    const resolver = await follow(hypeman.url, { timeoutMs: 1_000 });
    expect(resolver.status()).toEqual({ state: "ok", instances: 1, lastSuccessAt: expect.any(String) });
    hypeman.fault = fault;
    await until(() => resolver.status().state === "failing");
    expect(resolver.status().lastError).toMatch(reason);
    expect(resolver.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
    expect(resolver.resolve("other").kind).toBe("unavailable");
    expect((await resolver.reference("other")).kind).toBe("unavailable");
    expect((await resolver.reference("web")).kind).toBe("found");
    hypeman.fault = undefined;
    await until(() => resolver.resolve("other").kind === "unknown");
    expect(resolver.status().lastError).toBeUndefined();
  });

  it("is unavailable before the first answer, then tells that every answer changed", async () => {
    const hypeman = await startServer(web);
    hypeman.fault = (response) => response.writeHead(500).end();
    const resolver = await follow(hypeman.url);
    const changes: ResolverChange[] = [];
    resolver.watch((change) => changes.push(change));
    expect(resolver.resolve("web")).toEqual({
      kind: "unavailable",
      reason: "hypeman fails: answered with status 500",
    });
    expect(resolver.status().state).toBe("starting");
    hypeman.fault = undefined;
    await until(() => resolver.resolve("web").kind === "addresses");
    expect(changes).toEqual([{ all: true }]);
  });

  it("no longer serves a list older than the limit, and tells so once", async () => {
    const hypeman = await startServer(web);
    const resolver = await follow(hypeman.url, { staleMs: 100 });
    const changes: ResolverChange[] = [];
    resolver.watch((change) => changes.push(change));
    hypeman.fault = (response) => response.destroy();
    await until(() => resolver.resolve("web").kind === "unavailable");
    const asked = hypeman.requests.length;
    await until(() => hypeman.requests.length > asked + 1);
    expect(changes).toEqual([{ all: true }]);
    expect(resolver.status().state).toBe("expired");
    hypeman.fault = undefined;
    await until(() => resolver.resolve("web").kind === "addresses");
    expect(changes).toEqual([{ all: true }, { all: true }]);
  });

  it("finds it again on its port after a restart", async () => {
    const hypeman = await startHypeman(token);
    hypeman.instances = [instanceFrom(web)];
    const resolver = await follow(hypeman.url);
    await hypeman.close();
    await until(() => resolver.status().state === "failing");
    expect(resolver.status().lastError).toMatch(/ECONNREFUSED|other side closed|ECONNRESET/);
    const again = await startHypeman(token, { port: Number(new URL(hypeman.url).port) });
    closers.push(() => again.close());
    again.instances = [instanceFrom({ ...web, ip: "10.0.0.2" })];
    await until(() => resolver.status().state === "ok");
    expect(resolver.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.2"] });
  });

  it("asks less and less often, and never says or logs the token", async () => {
    const hypeman = await startServer(web);
    const logger = recordingLogger();
    const wrong = "wrong-secret-token";
    const resolver = await follow(hypeman.url, { token: wrong, intervalMs: 10, logger });
    const startedAt = Date.now();
    await until(() => hypeman.requests.length >= 6);
    // 20 + 40 + 80 + 160 + 320 ms lie between six questions; without the backoff it would be 50.
    expect(Date.now() - startedAt).toBeGreaterThan(400);
    expect(resolver.status().lastError).toBe("answered with status 401");
    const said = JSON.stringify([logger.entries, resolver.status(), resolver.resolve("web")]);
    expect(said).not.toContain(wrong);
    expect(logger.entries.filter((entry) => entry.level === "warn")).toHaveLength(1);
  });
});

describe("a reference that is unknown", () => {
  it("asks hypeman once for all who wait, not sooner than the limit after the last question", async () => {
    const hypeman = await startServer(web);
    // Before the first question, from which the time is measured.
    const startedAt = Date.now();
    const resolver = await follow(hypeman.url, { intervalMs: 600_000, askAgainMs: 200 });
    hypeman.instances = [web, { name: "new" }].map(instanceFrom);
    const kinds = await Promise.all(
      Array.from({ length: 100 }, async () => (await resolver.reference("new")).kind),
    );
    expect(new Set(kinds)).toEqual(new Set(["found"]));
    expect(hypeman.requests).toHaveLength(2);
    expect(Date.now() - startedAt).toBeGreaterThan(190);
    await resolver.reference("web");
    expect(hypeman.requests).toHaveLength(2);
  });

  it("C9: is asked for in time when the clock is put back", async () => {
    const hypeman = await startServer(web);
    const resolver = await follow(hypeman.url, { intervalMs: 600_000, askAgainMs: 200 });
    hypeman.instances = [web, { name: "new" }].map(instanceFrom);
    const { now } = Date;
    try {
      Date.now = () => now() - 3_600_000;
      expect((await resolver.reference("new")).kind).toBe("found");
    } finally {
      Date.now = now;
    }
  });

  it("does not take the answer to a question that was asked before it", async () => {
    const hypeman = await startServer(web);
    const resolver = await follow(hypeman.url, { intervalMs: 600_000, askAgainMs: 0 });
    const held: ServerResponse[] = [];
    hypeman.fault = (response) => held.push(response);
    const early = resolver.reference("early");
    await until(() => held.length === 1);
    hypeman.fault = undefined;
    hypeman.instances = [web, { name: "late" }].map(instanceFrom);
    const late = resolver.reference("late");
    held[0]?.end("[]");
    expect((await early).kind).toBe("unknown");
    expect((await late).kind).toBe("found");
  });
});

it("closes at once in the middle of a question", async () => {
  const hypeman = await startServer(web);
  const resolver = new HypemanResolver({
    url: hypeman.url,
    token,
    intervalMs: 10,
    timeoutMs: 3_600_000,
    logger: recordingLogger(),
  });
  await resolver.start();
  hypeman.fault = () => undefined;
  const asked = hypeman.requests.length;
  await until(() => hypeman.requests.length > asked);
  // The question has an hour.
  await resolver.close();
});

describe("waking", () => {
  const sleeping: InstanceSketch = { id: "aaa111", name: "web", ip: null, state: "Standby" };

  it.each([200, 202, 409])("takes an answer %d for an order that is carried out", async (status) => {
    const hypeman = await startServer(sleeping);
    const resolver = await follow(hypeman.url, { askAgainMs: 0 });
    const orders: string[] = [];
    hypeman.action = (id, action) => {
      orders.push(`${action} ${id}`);
      // 409: somebody else had started it before.
      hypeman.instances = [instanceFrom(web)];
      return status;
    };
    await resolver.wake("web");
    expect(orders).toEqual(["restore aaa111"]);
    expect(resolver.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
  });

  it.each([400, 404, 500])("fails with an answer %d", async (status) => {
    const hypeman = await startServer(sleeping);
    const resolver = await follow(hypeman.url);
    hypeman.action = () => status;
    await expect(resolver.wake("web")).rejects.toThrow(`status ${status}`);
  });

  it("D7: names an instance by its whole name or id", async () => {
    const hypeman = await startServer(sleeping, { ...sleeping, id: "bbb222", name: "db", state: "Paused" });
    const resolver = await follow(hypeman.url);
    hypeman.action = () => 500;
    for (const name of ["aaa", "we", "nobody", ""])
      await expect(resolver.wake(name)).rejects.toThrow("there is no one instance");
    for (const name of ["AAA111", "Web"]) await expect(resolver.wake(name)).rejects.toThrow("status 500");
    await expect(resolver.wake("db")).rejects.toThrow("Paused");
  });
});
