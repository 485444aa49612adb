import { beforeEach, describe, expect, it } from "vitest";
import type { IngressTarget } from "../../../src/model/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startHypeman } from "../../support/hypeman-server.ts";
import { type InstanceSketch, instanceFrom } from "../../support/instances.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const token = "a-token-for-hypeman";

const hypeman = use(() => startHypeman(token));
const backend = use(() => startBackend("woken", "127.0.0.91"));
const gatewright = useGatewright(() => {
  set(
    { name: "standby", ip: backend.address, state: "Standby" },
    { name: "stopped", ip: null, state: "Stopped" },
  );
  return {
    INSTANCE_SOURCE: "hypeman",
    HYPEMAN_URL: hypeman.url,
    HYPEMAN_TOKEN: token,
    // Waking must not depend on the next poll.
    HYPEMAN_POLL_INTERVAL: "1h",
  };
});
let actions: string[] = [];

beforeEach(() => {
  actions = [];
  hypeman.action = () => 500;
});

function set(...sketches: InstanceSketch[]): void {
  const names = new Set(sketches.map(({ name }) => name));
  hypeman.instances = [
    ...hypeman.instances.filter(({ name }) => !names.has(name)),
    ...sketches.map(instanceFrom),
  ];
}

async function serve(
  name: string,
  target: Partial<IngressTarget>,
  hostname = `${name}.example.com`,
): Promise<string> {
  const rules = [{ match: { hostname }, target: { port: backend.port, wake: true, ...target } }];
  await gatewright.make(name, ...rules);
  return hostname;
}

describe("wake: true", () => {
  it("restores an instance in standby, once for all requests that wait", async () => {
    const host = await serve("standby", { instance: "standby" });
    hypeman.action = (id, action) => {
      actions.push(`${action} ${id}`);
      setTimeout(() => set({ name: "standby", ip: backend.address }), 200);
      return 200;
    };
    const answers = await Promise.all(Array.from({ length: 20 }, () => gatewright.visit<Seen>(host)));
    expect(answers.map(({ status, body }) => [status, body.backend])).toEqual(Array(20).fill([200, "woken"]));
    expect(actions).toEqual(["restore id-standby"]);
    expect((await gatewright.visit(host)).status).toBe(200);
    expect(actions).toHaveLength(1);
  });

  it("starts a stopped one, and waits until its server takes connections", async () => {
    const port = await freePort();
    const host = await serve("stopped", { instance: "stopped", port, wake_timeout: "20s" });
    hypeman.action = (id, action) => {
      actions.push(`${action} ${id}`);
      set({ name: "stopped", ip: "127.0.0.92" });
      return 200;
    };
    const waiting = gatewright.visit<Seen>(host);
    await until(() => actions.length > 0);
    // It has an address now, but its server takes a while: longer than an attempt.
    await until(async () => (await gatewright.statusOf("stopped")).rules[0]?.targets[0]?.resolved === true);
    expect(await gatewright.reach("standby.example.com")).toBe(200);
    await using _late = await startBackend("late", "127.0.0.92", port);
    expect((await waiting).body.backend).toBe("late");
    expect(actions).toEqual(["start id-stopped"]);
  });

  it("answers 503 at once when the source refuses, and tries again later", async () => {
    set({ name: "broken", ip: null, state: "Standby" });
    // Otherwise it would wait longer than this test.
    const host = await serve("broken", { instance: "broken", wake_timeout: "10m" });
    hypeman.action = () => {
      actions.push("refused");
      return 500;
    };
    const answer = await gatewright.visit(host);
    expect([answer.status, Number(answer.headers["retry-after"])]).toEqual([503, 1]);
    expect(answer.text).not.toMatch(/hypeman|500/);
    await until(async () => {
      await gatewright.visit(host);
      return actions.length >= 2;
    });
  });

  it("gives up after wake_timeout", async () => {
    set({ name: "slow", ip: null, state: "Standby" });
    const hasty = await serve("hasty", { instance: "slow", wake_timeout: "600ms" });
    const patient = await serve("patient", { instance: "slow", wake_timeout: "4s" });
    hypeman.action = () => 200;
    const began = performance.now();
    const ended: string[] = [];
    const give = async (host: string): Promise<void> => {
      expect((await gatewright.visit(host)).status).toBe(503);
      ended.push(host);
    };
    const both = Promise.all([give(patient), give(hasty)]);
    await until(() => ended.length > 0);
    expect(performance.now() - began).toBeGreaterThan(590);
    await both;
    expect(ended).toEqual([hasty, patient]);
  });

  it("wakes what a hostname captures, and nothing that does not exist", async () => {
    set({ name: "pattern", ip: null, state: "Standby" });
    // Which has the source asked: no poll has told of the instance yet.
    await serve("pattern-itself", { instance: "pattern" });
    await serve("pattern", { instance: "{x}" }, "{x}.wake.example.com");
    hypeman.action = (id) => {
      actions.push(id);
      set({ name: "pattern", ip: backend.address });
      return 200;
    };
    expect((await gatewright.visit("pattern.wake.example.com")).status).toBe(200);
    expect((await gatewright.visit("nobody.wake.example.com")).status).toBe(503);
    expect(actions).toEqual(["id-pattern"]);
  });

  it("D7: starts no instance whose name or id only begins so, and asks for none that does not exist", async () => {
    set({ name: "exact", id: "id-exact-1", ip: null, state: "Standby" });
    await serve("exact-itself", { instance: "exact" });
    await serve("made-up", { instance: "{x}" }, "{x}.made-up.example.com");
    hypeman.action = (id) => {
      actions.push(id);
      set({ name: "exact", id: "id-exact-1", ip: backend.address });
      return 200;
    };
    const before = gatewright.output().length;
    // More than all the wake-ups that may wait at one time.
    const names = ["id-exact", "id-e", "exac", ...Array.from({ length: 1_100 }, (_, at) => `nobody-${at}`)];
    const statuses = new Set<number>();
    for (let at = 0; at < names.length; at += 50) {
      const some = names.slice(at, at + 50).map((name) => gatewright.visit(`${name}.made-up.example.com`));
      for (const { status } of await Promise.all(some)) statuses.add(status);
    }
    expect([...statuses]).toEqual([503]);
    expect(actions).toEqual([]);
    const woken = await Promise.all(
      ["exact", "id-exact-1"].map((name) => gatewright.visit<Seen>(`${name}.made-up.example.com`)),
    );
    expect(woken.map(({ status }) => status)).toEqual([200, 200]);
    expect([...new Set(actions)]).toEqual(["id-exact-1"]);
    expect(gatewright.output().slice(before)).not.toContain("could not be woken");
  });

  it("goes on through a reload and a restart of the manager", async () => {
    set({ name: "again", ip: null, state: "Standby" });
    const host = await serve("again", { instance: "again", wake_timeout: "30s" });
    await gatewright.stop();
    const waiting = gatewright.visit<Seen>(host, "/", { timeoutMs: 30_000 });
    hypeman.action = () => {
      set({ name: "again", ip: backend.address });
      return 200;
    };
    await gatewright.start();
    expect((await waiting).body.backend).toBe("woken");
  });
});

describe("without wake", () => {
  it("a request does not start anything", async () => {
    set({ name: "asleep", ip: null, state: "Standby" });
    const host = await serve("asleep", { instance: "asleep", wake: false });
    hypeman.action = (id) => {
      actions.push(id);
      return 200;
    };
    expect((await gatewright.visit(host)).status).toBe(503);
    expect(actions).toEqual([]);
  });
});
