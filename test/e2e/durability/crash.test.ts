import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import type { WriterStep } from "../../../src/manager/apply-step.ts";
import type { ApplyResult, Certificate, Ingress, RevisionSummary } from "../../../src/model/api.ts";
import { askCaddy, call, createIngress, rule, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { crashMain } from "../../support/gatewright.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";
import { writerSteps } from "../../support/writer-steps.ts";

const backend = use(() => startBackend());
const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);

beforeAll(async () => {
  await make("before");
  await gatewright.stop();
  await gatewright.start({ script: crashMain });
});

const make = (name: string, host = `${name}.example.com`, match: object = {}) =>
  gatewright.create(name, rule(host, "web-1", backend.port, match));

const secure = (name: string) =>
  gatewright.create(name, rule(`${name}.example.com`, "web-1", backend.port, {}, { tls: true }));

/** Whether a handshake for the name shows a certificate. */
function shows(servername: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const options = { host: "127.0.0.1", port: gatewright.ports.https, servername, rejectUnauthorized: false };
  const socket = connect(options, () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}

const stored = async (name: string): Promise<boolean> =>
  (await call(`${gatewright.url}/ingresses/${name}`)).status === 200;

/** Runs the change with a manager that dies at the step, and starts the next one, which dies at none until it is told to. */
async function crashDuring(step: WriterStep, change: () => Promise<unknown>): Promise<void> {
  // Caddy knows the address from here on, whether or not it can ask for it.
  expect(await gatewright.reach("before.example.com")).toBe(200);
  await writeFile(join(gatewright.dataDir, "crash-at"), step);
  await expect(change(), "the manager must die before it answers").rejects.toThrow();
  await gatewright.ended();
  expect(await gatewright.reach("before.example.com"), "Caddy goes on while the manager is away").toBe(200);
  await rm(join(gatewright.dataDir, "crash-at"));
  await gatewright.start({ script: crashMain });
}

/** Steps after which the change is on disk. */
const durable: ReadonlySet<WriterStep> = new Set(["persist", "commit"]);

describe.each(writerSteps)("a manager killed at the step %s", (step) => {
  const kept = durable.has(step);

  it(`${kept ? "keeps" : "forgets"} a creation as a whole`, async () => {
    const name = `create-${step}`;
    await crashDuring(step, () => make(name));
    expect(await stored(name)).toBe(kept);
    expect(await gatewright.reach(`${name}.example.com`)).toBe(kept ? 200 : 404);
    expect(await stored("before")).toBe(true);
    expect(await gatewright.reach("before.example.com")).toBe(200);
    expect((await make(`${name}-again`, `${name}.example.com`)).status).toBe(kept ? 409 : 201);
  });

  it(`${kept ? "keeps" : "forgets"} a deletion as a whole`, async () => {
    const name = `delete-${step}`;
    await make(name);
    await crashDuring(step, () => call(`${gatewright.url}/ingresses/${name}`, { method: "DELETE" }));
    expect(await stored(name)).toBe(!kept);
    expect(await gatewright.reach(`${name}.example.com`)).toBe(kept ? 404 : 200);
  });

  it(`${kept ? "keeps" : "forgets"} a change with a new port as a whole`, async () => {
    const name = `update-${step}`;
    const port = await freePort();
    const { body } = await make(name);
    const next = { name, rules: [rule(`${name}.example.com`, "web-1", backend.port, { port })] };
    await crashDuring(step, () => call(`${gatewright.url}/ingresses/${name}`, { method: "PUT", body: next }));
    expect((await call<Ingress>(`${gatewright.url}/ingresses/${body.id}`)).body.rules[0]?.match.port).toBe(
      kept ? port : gatewright.ports.http,
    );
    expect(await gatewright.reach(`${name}.example.com`)).toBe(kept ? 404 : 200);
    // A port that was opened for nothing is closed again.
    await until(
      async () => (await gatewright.reach(`${name}.example.com`, port)) === (kept ? 200 : "ECONNREFUSED"),
    );
  });

  it(`${kept ? "keeps" : "forgets"} a set, and a rollback, as a whole`, async () => {
    const tags = { step };
    const member = (name: string, host: string) => ({
      name: `${name}-${step}`,
      tags,
      rules: [rule(`${host}-${step}.example.com`, "web-1", backend.port)],
    });
    const apply = (...set: object[]) => {
      const query = new URLSearchParams({ prune: "selected", "tags[step]": step });
      return call<ApplyResult>(`${gatewright.url}/apply?${query}`, { method: "POST", body: set });
    };
    const first = await apply(member("a", "one"), member("b", "two"), member("gone", "three"));
    expect(first.status).toBe(200);
    const { revision } = first.body;
    // The two change places, one goes, one comes.
    await crashDuring(step, () => apply(member("a", "two"), member("b", "one"), member("come", "four")));
    const codes = async () =>
      Promise.all(
        ["one", "two", "three", "four"].map((host) => gatewright.reach(`${host}-${step}.example.com`)),
      );
    const hosts = async () => {
      const { body } = await call<Ingress[]>(`${gatewright.url}/ingresses?tags[step]=${step}`);
      return Object.fromEntries(
        body.map(({ name, rules }) => [name, rules[0]?.match.hostname.split("-")[0]]),
      );
    };
    const [a, b, gone, come] = ["a", "b", "gone", "come"].map((name) => `${name}-${step}`) as [
      string,
      string,
      string,
      string,
    ];
    const before = { [a]: "one", [b]: "two", [gone]: "three" };
    const after = { [a]: "two", [b]: "one", [come]: "four" };
    expect(await hosts()).toEqual(kept ? after : before);
    expect(await codes()).toEqual(kept ? [200, 200, 404, 200] : [200, 200, 200, 404]);
    if (!kept)
      expect((await apply(member("a", "two"), member("b", "one"), member("come", "four"))).status).toBe(200);
    const rollBack = () => call(`${gatewright.url}/revisions/${revision}/rollback`, { method: "POST" });
    await crashDuring(step, rollBack);
    expect(await hosts()).toEqual(kept ? before : after);
    expect(await codes()).toEqual(kept ? [200, 200, 200, 404] : [200, 200, 404, 200]);
    const { body: revisions } = await call<RevisionSummary[]>(`${gatewright.url}/revisions`);
    // What was acknowledged, and what was stored without an answer, is in the history.
    expect(revisions.map((one) => one.revision)).toEqual(
      Array.from({ length: revisions.length }, (_, index) => (revisions[0]?.revision ?? 0) - index),
    );
    expect(revisions[0]?.revision).toBe(revision + (kept ? 2 : 1));
  });

  it(`${kept ? "keeps" : "forgets"} a change of policies as a whole`, async () => {
    const name = `policies-${step}`;
    await make(name);
    const policies = { access: { deny: ["127.0.0.0/8"] }, error_pages: { "403": `no entry: ${step}` } };
    const next = { name, rules: [{ ...rule(`${name}.example.com`, "web-1", backend.port), policies }] };
    await crashDuring(step, () => call(`${gatewright.url}/ingresses/${name}`, { method: "PUT", body: next }));
    expect(await gatewright.reach(`${name}.example.com`)).toBe(kept ? 403 : 200);
    // A policy set that was brought for nothing is gone.
    const { text } = await askCaddy(gatewright.ports.admin, "/gatewright/policy_sets");
    expect(text.includes(`no entry: ${step}`)).toBe(kept);
  });
});

describe.each(writerSteps)("the name of a TLS rule and a manager killed at the step %s", (step) => {
  const kept = durable.has(step);

  it(`${kept ? "comes" : "does not come"} with a creation, and ${kept ? "goes" : "stays"} with a deletion`, async () => {
    const [made, gone] = [`secure-${step}`, `insecure-${step}`];
    await secure(gone);
    expect(await shows(`${gone}.example.com`)).toBe(true);
    await crashDuring(step, () => secure(made));
    expect(await shows(`${made}.example.com`)).toBe(kept);
    await crashDuring(step, () => call(`${gatewright.url}/ingresses/${gone}`, { method: "DELETE" }));
    expect(await shows(`${gone}.example.com`)).toBe(!kept);
    const { body } = await call<Certificate[]>(`${gatewright.url}/certificates`);
    const named = body.filter(({ id }) => [made, gone].includes(id.replace(".example.com", "")));
    expect(named).toMatchObject([{ id: `${kept ? made : gone}.example.com`, state: "ready" }]);
    // The process keeps names; a Caddy that is started again is told of them.
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await until(() => shows(named[0]?.id ?? ""));
    expect(await shows(`${kept ? gone : made}.example.com`)).toBe(false);
  });
});

describe("a restart of the manager", () => {
  it("finds Caddy again and loads nothing when the versions are equal", async () => {
    const pid = await gatewright.caddyPid();
    const log = join(gatewright.dataDir, "caddy/caddy.log");
    await gatewright.stop("SIGKILL");
    const before = (await readFile(log, "utf8")).length;
    await gatewright.start();
    expect(await gatewright.caddyPid()).toBe(pid);
    expect((await readFile(log, "utf8")).slice(before)).not.toMatch(/load complete|servers shutting down/);
    expect(await gatewright.reach("before.example.com")).toBe(200);
  });

  it("with another DNS port tells the running Caddy", async () => {
    await gatewright.stop();
    await gatewright.start({ environment: { INTERNAL_DNS_PORT: String(await freePort()) } });
    await gatewright.put("newcomer", "127.0.0.1");
    await createIngress({
      url: gatewright.url,
      name: "newcomer",
      rules: [rule("newcomer.example.com", "newcomer", backend.port)],
    });
    expect(await gatewright.reach("newcomer.example.com")).toBe(200);
    await gatewright.stop();
    await gatewright.start();
  });
});

describe("a Caddy that is killed", () => {
  it("is started again and serves what was committed; a change in between waits for it", async () => {
    const pid = await gatewright.caddyPid();
    process.kill(pid, "SIGKILL");
    const created = await make("meanwhile");
    expect(created.status, created.text).toBe(201);
    expect(await gatewright.caddyPid()).not.toBe(pid);
    expect(await gatewright.reach("meanwhile.example.com")).toBe(200);
    expect(await gatewright.reach("before.example.com")).toBe(200);
  });
});

describe("files that cannot be read", () => {
  it("are reported and set aside, keep their hostname, and the rest is served", async () => {
    const { body } = await make("damaged");
    await gatewright.stop();
    const path = join(gatewright.dataDir, "ingresses", `${body.id}.json`);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.slice(0, -10));
    await gatewright.start();
    expect(await gatewright.reach("before.example.com")).toBe(200);
    expect(await stored("damaged")).toBe(false);
    const refused = await make("thief", "damaged.example.com");
    expect([refused.status, (refused.body as unknown as { code: string }).code]).toEqual([
      409,
      "hostname_in_use",
    ]);
    expect((await call<{ reasons: string[] }>(`${gatewright.url}/ready`)).body.reasons.join()).toContain(
      body.id,
    );
    await gatewright.stop();
    await writeFile(path, text);
    await gatewright.start();
    expect(await gatewright.reach("damaged.example.com")).toBe(200);
  });
});

describe("a port that somebody else took while Gatewright was away", () => {
  it("is left out, reported, and served when it is free again", async () => {
    const port = await freePort();
    await make("away", "away.example.com", { port });
    await gatewright.stop();
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await until(async () => (await gatewright.reach("away.example.com", port)) === "ECONNREFUSED");
    {
      await using other = await startBackend("other", "127.0.0.1", port);
      expect(other.port).toBe(port);
      await gatewright.start();
      expect(await gatewright.reach("before.example.com")).toBe(200);
      expect((await visit<{ backend: string }>(port, "away.example.com")).body.backend).toBe("other");
      const refused = await make("also", "also.example.com", { port });
      expect([refused.status, (refused.body as unknown as { code: string }).code]).toEqual([
        409,
        "port_in_use",
      ]);
    }
    await until(
      async () =>
        (await visit<{ backend: string }>(port, "away.example.com").catch(() => undefined))?.body.backend ===
        "backend",
    );
  });
});
