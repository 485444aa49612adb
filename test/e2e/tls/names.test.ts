import { copyFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Certificate, ServerStatus } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { freePort } from "../../support/free-port.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { type Site, useGatewright } from "../../support/use-gatewright.ts";

/** How many configurations Caddy was given. */
async function loads({ ports }: Site): Promise<number> {
  return (await askCaddy<{ generation: number }>(ports.admin, "/gatewright/state")).body.generation;
}

describe("names of Caddy's own authority", () => {
  const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);
  const backend = use(() => startBackend());
  const secure = (host: string) => rule(host, "web-1", backend.port, {}, { tls: true });

  /** The status of one request, or what came in its place. Nothing is sent again. */
  function ask(host: string, agent: Agent | false): Promise<number | string> {
    return new Promise((resolve) => {
      const options = {
        host: "127.0.0.1",
        port: gatewright.ports.https,
        servername: host,
        headers: { host },
      };
      request({ ...options, agent, rejectUnauthorized: false, timeout: 15_000 }, (response) => {
        response.on("error", (error) => resolve(error.message));
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      })
        .on("error", (error) => resolve(error.message))
        .on("timeout", () => resolve("no answer in time"))
        .end();
    });
  }

  it("are served with the answer to their creation, without a reload or a failed request beside", async () => {
    await gatewright.make("kept", secure("kept.test"));
    expect(await ask("kept.test", false)).toBe(200);
    const before = await loads(gatewright);
    const stopped = new AbortController();
    const failures: (number | string)[] = [];
    let requests = 0;
    const clients = Array.from({ length: 4 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (!stopped.signal.aborted) {
        const status = await ask("kept.test", agent);
        requests += 1;
        if (status !== 200) failures.push(status);
      }
      agent.destroy();
    });
    const first: (number | string)[] = [];
    for (let number = 0; number < 100; number += 1) {
      const host = `n${number}.test`;
      await gatewright.make(`n${number}`, secure(host));
      first.push(await ask(host, false));
      if (number % 2 === 0) await call(`${gatewright.url}/ingresses/n${number}`, { method: "DELETE" });
    }
    stopped.abort();
    await Promise.all(clients);
    expect(first).toEqual(first.map(() => 200));
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
    expect(await loads(gatewright)).toBe(before);
    // One that was deleted is not shown any more, and comes back with its certificate.
    expect(await ask("n0.test", false)).not.toBe(200);
    await gatewright.make("n0", secure("n0.test"));
    expect(await ask("n0.test", false)).toBe(200);
  }, 60_000);
});

describe("orders", () => {
  const folder = use(() => temporaryFolder());
  const { world, gatewright, backend, handshake } = useTlsSite((made) => ({
    ...made.dnsChallenge,
    TLS_ALLOWED_DOMAINS: "*.dev.example.test,*.example.test",
  }));
  const secure = (host: string, instance = "web-1") => rule(host, instance, backend.port, {}, { tls: true });
  const certificate = async (name: string) =>
    (await call<Certificate>(`${gatewright.url}/certificates/${name}`)).body;

  /** Orders a name, and returns what lets the order go on once it is under way. */
  async function orderSlowly(host: string): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const orders = world.pebble.orders();
    world.cloudflare.hold = (name) => (name === `_acme-challenge.${host}` ? promise : undefined);
    await gatewright.make(host.replaceAll(".", "-"), secure(host));
    await until(() => world.pebble.orders() === orders + 1);
    return resolve;
  }

  it("that are under way keep no other name waiting, and no reload ends them", async () => {
    await gatewright.make("wild", secure("{instance}.dev.example.test", "{instance}"));
    await eventually(() => handshake("vm-1.dev.example.test"));
    const proceed = await orderSlowly("slow.example.test");
    // A certificate that is there is shown to the first client.
    const shared = await gatewright.create("shared", secure("vm-2.dev.example.test"));
    expect(shared.status, shared.text).toBe(201);
    expect((await handshake("vm-2.dev.example.test")).names).toBe("DNS:*.dev.example.test");
    await gatewright.make("quick", secure("quick.example.test"));
    await eventually(() => handshake("quick.example.test"));
    const before = await loads(gatewright);
    for (const name of ["a", "b", "c"])
      await gatewright.make(name, rule(`${name}.test`, "web-1", backend.port, { port: await freePort() }));
    expect(await loads(gatewright)).toBeGreaterThanOrEqual(before + 3);
    expect((await certificate("slow.example.test")).state).toBe("pending");
    const orders = world.pebble.orders();
    proceed();
    await eventually(() => handshake("slow.example.test"));
    expect(world.pebble.orders()).toBe(orders);
    await until(async () => (await certificate("slow.example.test")).state === "ready");
  }, 60_000);

  it("outlive the manager", async () => {
    const proceed = await orderSlowly("orphan.example.test");
    const orders = world.pebble.orders();
    await gatewright.stop("SIGKILL");
    await gatewright.start();
    proceed();
    await eventually(() => handshake("orphan.example.test"));
    expect(world.pebble.orders()).toBe(orders);
  }, 60_000);

  it("are finished by a Caddy that is replaced, which begins none any more", async () => {
    const draining = async () =>
      (await call<ServerStatus>(`${gatewright.url}/status`)).body.draining.map(({ pid }) => pid);
    const proceed = await orderSlowly("replaced.example.test");
    const [old, orders] = [await gatewright.caddyPid(), world.pebble.orders()];
    const binary = join(folder.path, "caddy");
    await copyFile(await builtCaddy(), binary);
    await gatewright.stop();
    await gatewright.start({ environment: { CADDY_BIN: binary } });
    expect(await gatewright.caddyPid()).not.toBe(old);
    // What is ordered from now on is ordered by the new one, while the old one has the order that was under way.
    await gatewright.make("meanwhile", secure("meanwhile.example.test"));
    await eventually(() => handshake("meanwhile.example.test"));
    expect(await draining()).toEqual([old]);
    expect(world.pebble.orders()).toBe(orders + 1);
    proceed();
    await eventually(() => handshake("replaced.example.test"));
    expect(world.pebble.orders()).toBe(orders + 1);
    await until(async () => (await draining()).length === 0);
  }, 90_000);

  it("are made again by a Caddy that was killed in the middle of them, and none is lost or issued twice", async () => {
    const issued = world.pebble.issued();
    await orderSlowly("killed.example.test");
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    world.cloudflare.hold = () => undefined;
    await eventually(() => handshake("killed.example.test"), 60_000);
    await handshake("slow.example.test");
    expect(world.pebble.issued()).toBe(issued + 1);
  }, 90_000);

  it("end with the last rule that needs them", async () => {
    const issued = world.pebble.issued();
    const proceed = await orderSlowly("gone.example.test");
    await call(`${gatewright.url}/ingresses/gone-example-test`, { method: "DELETE" });
    proceed();
    await gatewright.make("next", secure("next.example.test"));
    await eventually(() => handshake("next.example.test"));
    expect(world.pebble.issued()).toBe(issued + 1);
    expect((await call(`${gatewright.url}/certificates/gone.example.test`)).status).toBe(404);
  }, 60_000);
});
