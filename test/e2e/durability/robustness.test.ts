import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { type Answer, call, createIngress, rule } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { failedStart } from "../../support/failed-start.ts";
import { freePort } from "../../support/free-port.ts";
import { freePorts, portSettings } from "../../support/gatewright.ts";
import { startLoadedCaddy } from "../../support/loaded-caddy.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

interface Refusal {
  readonly code: string;
}

const backend = use(() => startBackend());
const gatewright = useGatewright({}, ["web-1"]);

beforeAll(async () => {
  expect((await make("before")).status).toBe(201);
});

const make = (name: string, host = `${name}.example.com`, match: object = {}) =>
  gatewright.create(name, rule(host, "web-1", backend.port, match));

const codeOf = ({ status, body }: Answer): readonly [number, string | undefined] => [
  status,
  (body as Refusal | undefined)?.code,
];

describe("a Gatewright that cannot start", () => {
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "gatewright-other-"));
  });

  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  /** The start ends by itself, says why in one line without a stack, and the one that runs goes on. */
  async function expectRefused(
    changes: NodeJS.ProcessEnv,
    code: string,
    ...words: readonly (string | number)[]
  ): Promise<void> {
    const { code: exit, output } = await failedStart({
      DATA_DIR: dataDir,
      ...portSettings(await freePorts()),
      ...changes,
    });
    expect(exit, output).toBe(1);
    expect(output).toContain(`${code}: `);
    for (const word of words) expect(output).toContain(String(word));
    expect(output).not.toMatch(/\n {4}at /);
    expect(await gatewright.reach("before.example.com")).toBe(200);
  }

  it("on the data folder of another says who holds it, and leaves it alone", async () => {
    const pid = await gatewright.caddyPid();
    await expectRefused(
      { DATA_DIR: gatewright.dataDir },
      "store_unavailable",
      `process ${gatewright.process().pid}`,
    );
    expect(await gatewright.caddyPid()).toBe(pid);
    expect((await make("still-writable")).status).toBe(201);
  });

  it("on a taken API port names it", async () => {
    const port = gatewright.ports.api;
    await expectRefused({ PORT: String(port) }, "address_in_use", port, "PORT");
  });

  it("on a taken DNS port names it, whether UDP or TCP is taken", async () => {
    const { dns } = gatewright.ports;
    await expectRefused({ INTERNAL_DNS_PORT: String(dns) }, "address_in_use", dns, "INTERNAL_DNS_PORT");
    const port = await freePort();
    const udp = createSocket("udp4").bind(port, "127.0.0.1");
    await once(udp, "listening");
    await expectRefused({ INTERNAL_DNS_PORT: String(port) }, "address_in_use", port, "INTERNAL_DNS_PORT");
    udp.close();
    const tcp = createServer().listen(port, "127.0.0.1");
    await once(tcp, "listening");
    await expectRefused({ INTERNAL_DNS_PORT: String(port) }, "address_in_use", port, "INTERNAL_DNS_PORT");
    tcp.close();
  });

  it("where another Caddy answers at the admin port names it, and that Caddy stays as it is", async () => {
    await using foreign = await startLoadedCaddy();
    const before = await foreign.api.running();
    await expectRefused(
      { CADDY_ADMIN_PORT: String(foreign.adminPort) },
      "address_in_use",
      foreign.adminPort,
      "CADDY_ADMIN_PORT",
    );
    expect(await foreign.api.running()).toEqual(before);
  });

  it("where something else answers at the admin port names it", async () => {
    await expectRefused(
      { CADDY_ADMIN_PORT: String(backend.port) },
      "address_in_use",
      backend.port,
      "CADDY_ADMIN_PORT",
    );
  });

  it("with several wrong settings names them all", async () => {
    const wrong = {
      PORT: "eighty",
      LOG_LEVEL: "loud",
      TARGET_ALLOW_CIDRS: "10.0.0.0/99",
      ACME_DNS_PROVIDER: "cloudflare",
    };
    await expectRefused(
      wrong,
      "config_invalid",
      "PORT",
      "LOG_LEVEL",
      "TARGET_ALLOW_CIDRS",
      "ACME_EMAIL",
      "CLOUDFLARE_API_TOKEN",
    );
  });
});

describe("many changes at once", () => {
  it("200 creates of which a fifth conflict: each hostname is won once, every winner is served", async () => {
    // 160 hostnames; every fourth is wanted by two.
    const wanted = Array.from({ length: 200 }, (_, index) => ({
      name: `many-${index}`,
      host: `many-${index < 160 ? index : (index - 160) * 4}.example.com`,
    }));
    const answers = await Promise.all(
      wanted.map(async (one) => ({ ...one, answer: await make(one.name, one.host) })),
    );
    const winners = answers.filter(({ answer }) => answer.status === 201);
    const losers = answers.filter(({ answer }) => answer.status !== 201);
    expect(new Set(winners.map(({ host }) => host)).size).toBe(winners.length);
    expect([winners.length, losers.length]).toEqual([160, 40]);
    for (const { answer } of losers) expect(codeOf(answer)).toEqual([409, "hostname_in_use"]);
    const served = await Promise.all(winners.map(({ host }) => gatewright.reach(host)));
    expect(served.filter((one) => one !== 200)).toEqual([]);
    const listed = (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ name }) => name);
    expect(listed.filter((name) => name.startsWith("many-")).sort()).toEqual(
      winners.map(({ name }) => name).sort(),
    );
  });

  it("a batch with one guilty change refuses only that one", async () => {
    const guilty = 7;
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        make(
          `batch-${index}`,
          undefined,
          index === guilty ? { port: backend.port } : { port: await freePort() },
        ),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      answers.map((_, index) => (index === guilty ? 409 : 201)),
    );
    expect(codeOf(answers[guilty] as Answer)).toEqual([409, "port_in_use"]);
    for (const { body } of answers.filter((_, index) => index !== guilty)) {
      const { hostname = "", port = 0 } = body.rules[0]?.match ?? {};
      expect(await gatewright.reach(hostname, port)).toBe(200);
    }
    expect(await gatewright.reach(`batch-${guilty}.example.com`)).toBe(404);
    // Its name and hostname are free.
    expect((await make(`batch-${guilty}`)).status).toBe(201);
  });

  it("the same name many times is taken once, and what follows a deletion in the queue is decided on top of it", async () => {
    const twins = await Promise.all(
      Array.from({ length: 10 }, (_, index) => make("twin", `twin-${index}.example.com`)),
    );
    expect(twins.filter(({ status }) => status === 201).length).toBe(1);
    expect(twins.filter((answer) => codeOf(answer)[1] === "already_exists").length).toBe(9);
    const [deleted, ...again] = await Promise.all([
      call(`${gatewright.url}/ingresses/twin`, { method: "DELETE" }),
      ...Array.from({ length: 5 }, () => make("twin", "twin-again.example.com")),
    ]);
    expect(deleted?.status).toBe(204);
    expect(again.filter((answer) => answer.status === 201).length).toBeLessThanOrEqual(1);
    const final = await call(`${gatewright.url}/ingresses/twin`);
    expect(await gatewright.reach("twin-again.example.com")).toBe(final.status === 200 ? 200 : 404);
  });

  it("changes with an outdated If-Match never overwrite each other", async () => {
    const { body } = await make("counted");
    const url = `${gatewright.url}/ingresses/${body.id}`;
    const etag = String((await call(url)).headers["etag"]);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        call(url, {
          method: "PATCH",
          body: { tags: { writer: String(index) } },
          headers: { "if-match": etag },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect(answers.filter((answer) => codeOf(answer)[0] === 412).length).toBe(9);
    const winner = answers.findIndex(({ status }) => status === 200);
    expect((await call<Ingress>(url)).body.tags).toEqual({ writer: String(winner) });
  });
});

describe("SIGTERM while changes are under way", () => {
  it("answers or refuses each; what is answered is there afterwards, what is refused is not", async () => {
    const outcomes = new Map<string, "created" | "refused" | "unanswered">();
    const running = Array.from({ length: 60 }, async (_, index) => {
      const name = `term-${index}`;
      const answer = await make(name).catch(() => undefined);
      outcomes.set(name, answer === undefined ? "unanswered" : answer.status === 201 ? "created" : "refused");
      if (answer !== undefined && answer.status !== 201)
        expect(codeOf(answer)).toEqual([503, "shutting_down"]);
      return answer;
    });
    // In the middle: some are answered, some are on their way.
    await Promise.race(running);
    await gatewright.stop("SIGTERM");
    await Promise.all(running);
    expect(await gatewright.reach("before.example.com"), "Caddy goes on").toBe(200);
    const served = new Map<string, number | string>();
    for (const name of outcomes.keys()) served.set(name, await gatewright.reach(`${name}.example.com`));
    await gatewright.start();
    const listed = new Set(
      (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ name }) => name),
    );
    for (const [name, outcome] of outcomes) {
      if (outcome !== "unanswered") expect([name, listed.has(name)]).toEqual([name, outcome === "created"]);
      expect([name, await gatewright.reach(`${name}.example.com`)]).toEqual([
        name,
        listed.has(name) ? 200 : 404,
      ]);
      expect([name, served.get(name)]).toEqual([name, listed.has(name) ? 200 : 404]);
    }
    expect([...outcomes.values()].filter((outcome) => outcome === "created").length).toBeGreaterThan(0);
  });

  it("a second signal does not cut it short", async () => {
    const created = make("twice").catch(() => undefined);
    const child = gatewright.process();
    // Held meanwhile: the second one comes before what the first one began has ended.
    for (const signal of ["SIGSTOP", "SIGTERM", "SIGINT", "SIGCONT"] as const) child.kill(signal);
    await gatewright.ended();
    expect(child.exitCode).toBe(0);
    const answer = await created;
    await gatewright.start();
    const kept = (await call(`${gatewright.url}/ingresses/twice`)).status === 200;
    if (answer !== undefined) expect(kept).toBe(answer.status === 201);
    expect(await gatewright.reach("twice.example.com")).toBe(kept ? 200 : 404);
  });
});

describe("Caddy", () => {
  it("goes on without the manager, and keeps serving after its restart without a reload", async () => {
    const pid = await gatewright.caddyPid();
    await gatewright.stop("SIGKILL");
    expect((await gatewright.visit<Seen>("before.example.com")).body.backend).toBe("backend");
    const log = join(gatewright.dataDir, "caddy/caddy.log");
    const { size } = await stat(log);
    await gatewright.start();
    expect(await gatewright.caddyPid()).toBe(pid);
    expect((await readFile(log, "utf8")).slice(size)).not.toContain("load complete");
  });

  it("says in its log which ingress's instance broke off its answer, and the client notices", async () => {
    await using server = await startBreakingServer();
    await createIngress({
      url: gatewright.url,
      name: "breaks",
      rules: [rule("breaks.example.com", "web-1", server.port)],
    });
    await expect(gatewright.visit("breaks.example.com")).rejects.toThrow();
    const log = join(gatewright.dataDir, "caddy/caddy.log");
    await until(async () =>
      (await readFile(log, "utf8")).split("\n").some((line) => /"response broke off".*"breaks"/.test(line)),
    );
  });
});

/** Announces ten bytes, sends two, and closes. */
async function startBreakingServer(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) =>
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nno")),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
