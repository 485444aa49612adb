import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readStoredIngress } from "../../src/manager/fill-catalog.ts";
import { Follower } from "../../src/manager/follower.ts";
import { startManager } from "../../src/manager/manager.ts";
import { WriterRecord } from "../../src/manager/writer-record.ts";
import type { Ingress } from "../../src/model/api.ts";
import { STORE_HEADER } from "../../src/model/store-header.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryCaddy } from "../support/memory-caddy.ts";
import { memoryHost } from "../support/memory-host.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const HTTP_PORT = 80;

function ingress(
  id: string,
  hostname = `${id}.example.com`,
  more: { name?: string; port?: number } = {},
): Ingress {
  const { name = id, port = HTTP_PORT } = more;
  const rules = [
    { match: { hostname, port }, target: { instance: "web-1", port: 80 }, tls: false, redirect_http: false },
  ];
  const at = "2026-01-01T00:00:00.000Z";
  return { id, name, rules, created_at: at, updated_at: at };
}

interface Options {
  readonly held?: readonly Ingress[];
  readonly answer?: readonly unknown[];
  /** `FOLLOW_WRITER`. */
  readonly writer?: string;
}

/** A real manager over a Caddy in memory that follows a server, whose answers are given by the test. */
async function follow({ held = [], answer = [], writer }: Options) {
  const temporary = await temporaryFolder();
  closers.push(() => temporary[Symbol.asyncDispose]());
  const folder = temporary.path;
  const said = { list: answer as readonly unknown[], store: "store-1" as string | undefined, asked: 0 };
  const server = createHttpServer((_request, response) => {
    said.asked += 1;
    if (said.store !== undefined) response.setHeader(STORE_HEADER, said.store);
    response.end(JSON.stringify(said.list));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({ store: new MemoryStore(), logger });
  await resolver.start();
  const caddy = new MemoryCaddy();
  const ports = { httpPort: await freePort(), httpsPort: await freePort() };
  const onPort = (one: Ingress): Ingress => readStoredIngress(atHttpPort(one, ports.httpPort), ports);
  const manager = await startManager({
    store: new MemoryStore<Ingress>(held.map(onPort)),
    resolver,
    api: caddy,
    feeds: [],
    createHost: memoryHost(caddy, folder).createHost,
    compiler: compilerSettings({ folder, ...ports }),
    admission: {
      ports,
      tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
      guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
    },
    logger,
  });
  closers.push(() => manager.stop());
  const follower = new Follower({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...(writer === undefined ? {} : { writer }),
    record: new WriterRecord(join(folder, "followed.json")),
    intervalMs: 5,
    read: (value) => onPort(value as Ingress),
    ingresses: manager.followed,
    logger,
  });
  closers.push(() => follower.stop());
  follower.start();
  /** What is served: `<id> <name> <hostname>` each. */
  const served = (): readonly string[] =>
    [...manager.ingresses.list()].map(({ id, name, rules }) => `${id} ${name} ${rules[0]?.match.hostname}`);
  /** Waits until the answer of now has been gone through once more. */
  const settled = async (): Promise<void> => {
    const { asked } = said;
    await until(() => said.asked > asked + 1, 3_000);
  };
  return { caddy, follower, logger, said, served, settled };
}

function atHttpPort(one: Ingress, httpPort: number): Ingress {
  const rules = one.rules.map((rule) => {
    const { port } = rule.match;
    return { ...rule, match: { ...rule.match, port: port === HTTP_PORT ? httpPort : port } };
  });
  return { ...one, rules };
}

const lines = (...ingresses: readonly Ingress[]): readonly string[] =>
  ingresses.map(({ id, name, rules }) => `${id} ${name} ${rules[0]?.match.hostname}`);

/** A port that another program has until it is given back. */
async function takenPort() {
  const server = createServer();
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const free = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  closers.push(free);
  return { port: (server.address() as AddressInfo).port, free };
}

describe("a follower", () => {
  it("C4: follows ingresses that swapped hostnames or names, or pass them on in a ring, in one change", async () => {
    const [a, b, c] = [ingress("a"), ingress("b"), ingress("c")];
    const { caddy, said, served, follower } = await follow({ held: [a, b, c], answer: [a, b, c] });
    const swapped = [
      ingress("a", "b.example.com", { name: "b" }),
      ingress("b", "a.example.com", { name: "a" }),
    ];
    const before = caddy.changes.length;
    said.list = [...swapped, c];
    await until(() => served()[0] === "a b b.example.com", 3_000);
    expect(served()).toEqual(lines(...swapped, c));
    expect(caddy.changes.slice(before)).toEqual(["patchTable"]);
    const ring = [
      ingress("a", "c.example.com"),
      ingress("b", "b.example.com"),
      ingress("c", "a.example.com"),
    ];
    said.list = ring;
    await until(() => served()[2] === "c c a.example.com", 3_000);
    expect(served()).toEqual(lines(...ring));
    expect(follower.reasons()).toEqual([]);
  });

  it("C4: gives a new ingress the hostname of one that goes", async () => {
    const { said, served } = await follow({
      held: [ingress("old", "x.test")],
      answer: [ingress("old", "x.test")],
    });
    said.list = [ingress("new", "x.test", { name: "old" })];
    await until(() => served()[0] === "new old x.test", 3_000);
    expect(served()).toHaveLength(1);
  });

  it("C4: sets aside alone what it cannot read, and serves what it knew of it until another needs its place", async () => {
    const unreadable = { id: "bad", name: "bad", rules: "of another version" };
    const bad = ingress("bad", "bad.test");
    const { said, served, follower, logger, settled } = await follow({
      held: [bad, ingress("gone")],
      answer: [unreadable, ingress("good")],
    });
    await until(() => served().length === 2 && served()[1]?.startsWith("good") === true, 3_000);
    expect(served()).toEqual(lines(bad, ingress("good")));
    expect(follower.reasons()).toMatchObject([
      expect.stringContaining("ingress bad of the followed Gatewright"),
    ]);
    await settled();
    expect(logger.entries.filter(({ level }) => level === "error")).toHaveLength(1);
    said.list = [unreadable, ingress("good", "bad.test")];
    await until(() => served().length === 1, 3_000);
    expect(served()).toEqual(lines(ingress("good", "bad.test")));
    said.list = [ingress("bad", "good.test"), ingress("good", "bad.test")];
    await until(() => served().length === 2, 3_000);
    expect(follower.reasons()).toEqual([]);
  });

  it("C4: leaves out alone what cannot be served, though another takes its place, and tries it again", async () => {
    const { port, free } = await takenPort();
    const [a, b] = [ingress("a"), ingress("b")];
    const { said, served, follower } = await follow({ held: [a, b], answer: [a, b] });
    const refused = ingress("a", "new.test", { port });
    const passedOn = ingress("b", "a.example.com");
    said.list = [refused, passedOn];
    await until(() => served().length === 1, 3_000);
    expect(served()).toEqual(lines(passedOn));
    expect(follower.reasons()).toMatchObject([expect.stringContaining(`port ${port}`)]);
    // The answer stays the same.
    await free();
    await until(() => served().length === 2, 3_000);
    expect(served()).toEqual(lines(refused, passedOn));
    expect(follower.reasons()).toEqual([]);
  });

  it("makes changes again that Caddy's absence prevented, though the answer stays the same", async () => {
    const { caddy, said, served, follower } = await follow({
      held: [ingress("gone"), ingress("a")],
      answer: [],
    });
    said.list = [ingress("a"), ingress("b")];
    let refusals = 0;
    caddy.onRequest = ({ method }) => {
      if (method === "patchTable" && refusals++ === 0) throw new Error("no answer");
    };
    await until(() => served().join() === lines(ingress("a"), ingress("b")).join(), 3_000);
    expect(refusals).toBeGreaterThan(1);
    await until(() => follower.reasons().length === 0, 3_000);
  });
});

describe("C4: a writer that answers no ingresses", () => {
  it("is followed when it is the one that had them", async () => {
    const { said, served } = await follow({ held: [ingress("a")], answer: [ingress("a"), ingress("b")] });
    await until(() => served().length === 2, 3_000);
    said.list = [];
    await until(() => served().length === 0, 3_000);
  });

  it("is not followed when its store is another one, or none, until FOLLOW_WRITER names it", async () => {
    const { said, served, follower, settled } = await follow({ answer: [ingress("a"), ingress("b")] });
    await until(() => served().length === 2, 3_000);
    for (const store of ["store-2", undefined]) {
      said.store = store;
      said.list = store === undefined ? [] : [ingress("c")];
      await until(() => follower.reasons().some((reason) => reason.includes(store ?? "does not say")), 3_000);
      await settled();
      expect(served()).toHaveLength(2);
    }
    said.store = "store-1";
    await until(() => served().length === 0, 3_000);
    expect(follower.reasons()).toEqual([]);
  });

  it("is not followed at the first meeting while ingresses are served", async () => {
    const { served, follower, settled, said } = await follow({ held: [ingress("a")], answer: [] });
    await until(() => follower.reasons().length > 0, 3_000);
    expect(follower.reasons()[0]).toContain("set FOLLOW_WRITER=store-1");
    await settled();
    expect(served()).toHaveLength(1);
    said.list = [ingress("b")];
    await until(() => served()[0]?.startsWith("b") === true, 3_000);
  });

  it("is followed at the first meeting when FOLLOW_WRITER names it", async () => {
    const { served } = await follow({ held: [ingress("a")], answer: [], writer: "store-1" });
    await until(() => served().length === 0, 3_000);
  });
});
