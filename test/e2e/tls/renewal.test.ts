import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { eventually, handshake, visitSecurely } from "../../support/acme/handshake.ts";
import { startTlsSite, type TlsSite } from "../../support/acme/tls-site.ts";
import type { TlsWorld } from "../../support/acme/tls-world.ts";
import { call, createIngress, rule } from "../../support/api.ts";
import type { Backend } from "../../support/backend.ts";
import type { Gatewright } from "../../support/gatewright.ts";

let site: TlsSite;
let world: TlsWorld;
let gatewright: Gatewright;
let backend: Backend;
let ca: string;

beforeAll(async () => {
  site = await startTlsSite(
    (made) => ({ ...made.dnsChallenge, TLS_PREFER_WILDCARD: "true", TLS_RENEW_INTERVAL: "1s" }),
    { validitySeconds: 24 },
  );
  ({ world, gatewright, backend, ca } = site);
}, 120_000);

afterAll(() => site?.[Symbol.asyncDispose]());

describe("wildcard sharing", () => {
  it("has hostnames under an allowed wildcard share one certificate, without a reload for each", async () => {
    const names = Array.from({ length: 50 }, (_, index) => `app-${index}.example.test`);
    const first = await createIngress({
      url: gatewright.url,
      name: "first",
      rules: [rule("first.example.test", "web-1", backend.port, {}, { tls: true })],
    });
    expect(first.status, first.text).toBe(201);
    await eventually(() => handshake({ port: world.httpsPort, host: "first.example.test", ca }));
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
    const shown = await handshake({ port: world.httpsPort, host: "app-49.example.test", ca });
    expect(shown.names).toBe("DNS:*.example.test");
    expect((await visitSecurely({ port: world.httpsPort, host: "app-7.example.test", ca })).status).toBe(200);
    const { body } = await call<Certificate[]>(`${gatewright.url}/certificates`);
    expect(body.map(({ id, used_by }) => [id, used_by])).toEqual([["*.example.test", 51]]);
  });
});

describe("renewal", () => {
  it("replaces a short-lived certificate before it ends, without a failed handshake", async () => {
    const options = { port: world.httpsPort, host: "first.example.test", ca };
    const before = await handshake(options);
    let failures = 0;
    const after = await eventually(async () => {
      const shown = await handshake(options).catch(() => {
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
