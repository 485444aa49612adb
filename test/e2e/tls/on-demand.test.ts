import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, createIngress, rule } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

/** The port that permits certificates. */
const ask = use(async () => ({ port: await freePort() }));
const { world, gatewright, backend, handshake } = useTlsSite((made) => ({
  ...made.ports,
  TLS_ON_DEMAND: "true",
  TLS_ASK_PORT: String(ask.port),
  TLS_ALLOWED_DOMAINS: "*",
}));

const asked = async (domain: string) =>
  (await call(`http://127.0.0.1:${ask.port}/tls/ask?domain=${encodeURIComponent(domain)}`)).status;

describe("on-demand certificates", () => {
  it("are ordered at the first handshake, also for the instances of a pattern without DNS-01", async () => {
    const created = await createIngress({
      url: gatewright.url,
      name: "apps",
      rules: [
        rule("shop.example.test", "web-1", backend.port, {}, { tls: true }),
        rule("{instance}.dev.example.test", "{instance}", backend.port, {}, { tls: true }),
        rule("plain.example.test", "web-1", backend.port),
      ],
    });
    expect(created.status, created.text).toBe(201);
    const status = await call(`${gatewright.url}/ingresses/apps/status`);
    expect(status.text).toContain("OnDemand");
    expect(world.pebble.orders()).toBe(0);
    for (const host of ["shop.example.test", "web-1.dev.example.test"]) {
      const shown = await eventually(() => handshake(host));
      expect(shown.names).toBe(`DNS:${host}`);
    }
    expect(world.pebble.orders()).toBe(2);
  });

  it("are not ordered for a flood of names that nobody claims, nor for instances that do not exist", async () => {
    const orders = world.pebble.orders();
    const names = Array.from({ length: 150 }, (_, index) =>
      index % 3 === 0
        ? `scan-${index}.dev.example.test`
        : index % 3 === 1
          ? `scan-${index}.example.test`
          : `${index}.elsewhere.test`,
    );
    const outcomes = await Promise.all(
      [...names, "plain.example.test"].map((host) =>
        handshake(host).then(
          () => "issued",
          () => "refused",
        ),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === "issued")).toEqual([]);
    expect(world.pebble.orders()).toBe(orders);
    // Names that have one are served all the same.
    await handshake("shop.example.test");
  });

  it("C6: are ordered for captures anywhere in a host, and for nobody that only a pool's fixed member would take", async () => {
    const pool = {
      match: { hostname: "{instance}.pool.example.test" },
      targets: [
        { instance: "{instance}", port: backend.port },
        { instance: "web-1", port: backend.port },
      ],
      tls: true,
    };
    const created = await createIngress({
      url: gatewright.url,
      name: "shapes",
      rules: [
        rule("api.{tenant}.example.test", "{tenant}", backend.port, {}, { tls: true }),
        rule("{a}.{b}.{c}.example.test", "{c}", backend.port, {}, { tls: true }),
        pool,
      ],
    });
    expect(created.status, created.text).toBe(201);
    for (const host of ["api.web-1.example.test", "x.y.web-1.example.test"])
      expect((await eventually(() => handshake(host))).names).toBe(`DNS:${host}`);
    for (const host of ["api.ghost.example.test", "x.y.ghost.example.test", "random.pool.example.test"])
      expect(await asked(host), host).toBe(403);
    expect(await asked("web-1.pool.example.test")).toBe(200);
  });

  it("E10: are listed by name, also after Caddy was restarted, and those that were tried with the reason", async () => {
    const find = async (name: string) =>
      (await call<Certificate>(`${gatewright.url}/certificates/${name}`)).body;
    const held = "web-1.dev.example.test";
    expect(await find(held)).toMatchObject({ id: held, source: "acme", state: "ready", used_by: 1 });
    const caddy = await gatewright.caddyPid();
    await gatewright.stop();
    process.kill(caddy, "SIGKILL");
    await gatewright.start();
    const again = await find(held);
    expect(again).toMatchObject({ id: held, state: "ready", names: [held] });
    await world.pebble.disconnect();
    await gatewright.put("web-2", "127.0.0.1");
    const tried = "web-2.dev.example.test";
    // It hangs until Caddy gives the order up.
    const hanging = handshake(tried).catch(() => undefined);
    await until(async () => (await find(tried)).state === "failed");
    expect((await find(tried)).error?.message).toContain("the authority does not answer");
    await world.pebble.connect();
    await hanging;
    const listed = (await call<Certificate[]>(`${gatewright.url}/certificates`)).body.map(({ id }) => id);
    expect(listed).toEqual(expect.arrayContaining([held, tried, "shop.example.test"]));
  }, 60_000);

  it("are permitted by a listener of their own, on loopback, that a restart keeps", async () => {
    expect(await asked("shop.example.test")).toBe(200);
    expect(await asked("SHOP.example.test.")).toBe(200);
    for (const domain of ["plain.example.test", "nobody.dev.example.test", "web.dev.example.test", "", "*"])
      expect(await asked(domain), domain).toBe(403);
    expect((await call(`http://127.0.0.1:${ask.port}/ingresses`)).status).toBe(403);
    expect((await call(`${gatewright.url}/tls/ask?domain=shop.example.test`)).status).toBe(404);
    const config = await readFile(join(gatewright.dataDir, "caddy/config.json"), "utf8");
    expect(config).toContain(`http://127.0.0.1:${ask.port}/tls/ask`);
    await gatewright.stop();
    await gatewright.start();
    expect(await asked("web-1.dev.example.test")).toBe(200);
    await handshake("web-1.dev.example.test");
  });
});
