import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, createIngress, rule } from "../../support/api.ts";

const { gatewright, backend, handshake, visitSecurely } = useTlsSite(
  (made) => ({ ...made.dnsChallenge, TLS_PREFER_WILDCARD: "true", TLS_RENEW_INTERVAL: "1s" }),
  { validitySeconds: 24 },
);

describe("wildcard sharing", () => {
  it("has hostnames under an allowed wildcard share one certificate, without a reload for each", async () => {
    const names = Array.from({ length: 50 }, (_, index) => `app-${index}.example.test`);
    const first = await createIngress({
      url: gatewright.url,
      name: "first",
      rules: [rule("first.example.test", "web-1", backend.port, {}, { tls: true })],
    });
    expect(first.status, first.text).toBe(201);
    await eventually(() => handshake("first.example.test"));
    const config = join(gatewright.dataDir, "caddy/config.json");
    const before = await readFile(config, "utf8");
    const created = await Promise.all(
      names.map((name, index) =>
        createIngress({
          url: gatewright.url,
          name: `app-${index}`,
          rules: [rule(name, "web-1", backend.port, {}, { tls: true })],
        }),
      ),
    );
    expect(created.filter(({ status }) => status !== 201)).toEqual([]);
    expect(await readFile(config, "utf8")).toBe(before);
    const shown = await handshake("app-49.example.test");
    expect(shown.names).toBe("DNS:*.example.test");
    expect((await visitSecurely("app-7.example.test")).status).toBe(200);
    const { body } = await call<Certificate[]>(`${gatewright.url}/certificates`);
    expect(body.map(({ id, used_by }) => [id, used_by])).toEqual([["*.example.test", 51]]);
  });
});

describe("renewal", () => {
  it("replaces a short-lived certificate before it ends, without a failed handshake", async () => {
    const host = "first.example.test";
    const before = await handshake(host);
    let failures = 0;
    const after = await eventually(async () => {
      const shown = await handshake(host).catch(() => {
        failures += 1;
        throw new Error("a handshake failed");
      });
      expect(shown.serial).not.toBe(before.serial);
      return shown;
    }, 60_000);
    expect(after.notAfter.getTime()).toBeGreaterThan(before.notAfter.getTime());
    expect(failures).toBe(0);
    const { body } = await call<Certificate>(`${gatewright.url}/certificates/*.example.test`);
    expect(body).toMatchObject({ state: "ready" });
    expect(body.error).toBeUndefined();
  }, 90_000);
});
