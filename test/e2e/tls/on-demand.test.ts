import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, createIngress, rule } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";

/** The port that permits certificates. */
const ask = use(async () => ({ port: await freePort() }));
const { world, gatewright, backend, handshake } = useTlsSite((made) => ({
  ...made.ports,
  TLS_ON_DEMAND: "true",
  TLS_ASK_PORT: String(ask.port),
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
