import { describe, expect, it } from "vitest";
import { createIngress, putInstance, rule } from "../../support/api.ts";
import type { Seen } from "../../support/backend.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";
import { visitFrom } from "../../support/visit-from.ts";

const proxy = "127.0.0.2";

const site = usePolicySite({ TRUSTED_PROXIES: `${proxy},10.0.0.0/8` });

describe("headers about the client", () => {
  it("are of the connection where nobody is trusted", async () => {
    await site.serve("client", {});
    const headers = {
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "evil.test",
      "x-forwarded-prefix": "/evil",
      "x-real-ip": "192.0.2.1",
      "x-request-id": "mine",
      forwarded: "for=192.0.2.1",
    };
    const { headers: seen } = (await site.visit("client", "/", { from: "127.0.0.9", headers })).body;
    expect(seen).toMatchObject({
      "x-forwarded-for": "127.0.0.9",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "client.test",
      "x-real-ip": "127.0.0.9",
      forwarded: 'for=127.0.0.9;host="client.test";proto=http',
    });
    expect(seen["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen["x-forwarded-prefix"]).toBeUndefined();
  });

  it("go on through one and two trusted proxies", async () => {
    const headers = {
      "x-forwarded-for": "192.0.2.1, 10.0.0.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "www.example.com",
      "x-request-id": "from-the-edge",
      forwarded: "for=192.0.2.1;proto=https, for=10.0.0.9",
    };
    const { headers: seen } = (await site.visit("client", "/", { from: proxy, headers })).body;
    expect(seen).toMatchObject({
      "x-forwarded-for": "192.0.2.1, 10.0.0.9, 127.0.0.2",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "www.example.com",
      "x-real-ip": "192.0.2.1",
      "x-request-id": "from-the-edge",
      forwarded: 'for=192.0.2.1;proto=https, for=10.0.0.9, for=127.0.0.2;host="client.test";proto=http',
    });
  });

  it.each([
    ["192.0.2.1:4711", "192.0.2.1"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["6.6.6.6, [2001:db8::1]:4711, 10.0.0.9", "2001:db8::1"],
    ["6.6.6.6, unknown", proxy],
    ["6.6.6.6, ", proxy],
    ["6.6.6.6, _hidden, 10.0.0.9", "10.0.0.9"],
  ])("E5: believe nothing before what a trusted proxy could not write: %s", async (chain, client) => {
    const { headers: seen } = (
      await site.visit("client", "/", { from: proxy, headers: { "x-forwarded-for": chain } })
    ).body;
    expect(seen["x-real-ip"]).toBe(client);
  });

  it("are right behind two Gatewrights, of which the inner one trusts the outer", async () => {
    await using outer = await startGatewright();
    await putInstance(outer.url, "inner", "127.0.0.1");
    await site.serve("chain", {});
    await createIngress({
      url: outer.url,
      name: "distrusted",
      rules: [rule("chain.test", "inner", site.gatewright.ports.http)],
    });
    const spoofed = { "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1", "x-request-id": "mine" };
    const options = { from: "127.0.0.9", headers: spoofed };
    const { body } = await visitFrom<Seen>(outer.ports.http, "chain.test", "/", options);
    expect(body.headers).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1" });
    await using trusting = await startGatewright({ TRUSTED_PROXIES: "127.0.0.1" });
    await putInstance(trusting.url, "web", site.backend.address);
    await createIngress({
      url: trusting.url,
      name: "chain",
      rules: [rule("chain.test", "web", site.backend.port)],
    });
    await createIngress({
      url: outer.url,
      name: "trusted",
      rules: [rule("chain.test", "inner", trusting.ports.http, { path: { type: "prefix", value: "/two" } })],
    });
    const through = await visitFrom<Seen>(outer.ports.http, "chain.test", "/two", options);
    expect(through.body.headers).toMatchObject({
      "x-forwarded-for": "127.0.0.9, 127.0.0.1",
      "x-forwarded-host": "chain.test",
      "x-forwarded-proto": "http",
      "x-real-ip": "127.0.0.9",
      forwarded: 'for=127.0.0.9;host="chain.test";proto=http, for=127.0.0.1;host="chain.test";proto=http',
    });
    expect(through.body.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("cannot be taken out by the client's Connection header", async () => {
    const headers = { connection: "close, X-Real-IP, X-Request-ID, Forwarded, X-Forwarded-For" };
    const { headers: seen } = (await site.visit("client", "/", { headers })).body;
    expect(seen).toMatchObject({ "x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1" });
    expect(seen["x-request-id"]).toBeDefined();
    expect(seen["forwarded"]).toBeDefined();
  });
});
