import { describe, expect, it } from "vitest";
import { createIngress, rule } from "../../support/api.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";
import { exchange, type VisitFrom } from "../../support/visit-from.ts";

const proxy = "127.0.0.2";
const balancer = "127.0.0.3";

const site = usePolicySite({ TRUSTED_PROXIES: `${proxy},10.0.0.0/8`, PROXY_PROTOCOL_FROM: balancer });

async function statusOf(name: string, options: VisitFrom = {}, path = "/"): Promise<number> {
  return (await site.visit(name, path, options)).status;
}

describe("access", () => {
  it("asks deny first, then allow", async () => {
    await site.serve("access", { access: { allow: ["127.0.0.0/24", "2001:db8::/32"], deny: ["127.0.0.9"] } });
    expect(await statusOf("access")).toBe(200);
    expect(await statusOf("access", { from: "127.0.0.9" })).toBe(403);
    expect(await statusOf("access", { from: "127.0.1.1" })).toBe(403);
  });

  it("takes everybody but deny without allow", async () => {
    await site.serve("deny", { access: { deny: ["127.0.0.9/32"] } });
    expect(await statusOf("deny")).toBe(200);
    expect(await statusOf("deny", { from: "127.0.0.9" })).toBe(403);
  });

  it("judges the true client behind a trusted proxy, IPv4, IPv6 and IPv4 in IPv6", async () => {
    await site.serve("true", { access: { deny: ["192.0.2.0/24", "2001:db8::/32"] } });
    const by = (client: string): Promise<number> =>
      statusOf("true", { from: proxy, headers: { "x-forwarded-for": client } });
    expect(await by("198.51.100.1")).toBe(200);
    expect(await by("192.0.2.1")).toBe(403);
    expect(await by("::ffff:192.0.2.1")).toBe(403);
    expect(await by("2001:db8::5")).toBe(403);
    expect(await by("2001:db9::5")).toBe(200);
    // What the client itself wrote stands before what the proxies have added.
    expect(await by("198.51.100.1, 192.0.2.1")).toBe(403);
    expect(await by("192.0.2.1, 198.51.100.1, 10.0.0.9")).toBe(200);
  });

  it("believes no X-Forwarded-For from elsewhere", async () => {
    await site.serve("spoofed", { access: { allow: ["192.0.2.1"] } });
    const headers = { "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1", "x-real-ip": "192.0.2.1" };
    expect(await statusOf("spoofed", { headers })).toBe(403);
    expect(await statusOf("spoofed", { from: proxy, headers })).toBe(200);
  });

  it("takes the address of the PROXY protocol from the balancer alone", async () => {
    await site.serve("proxied", { access: { allow: ["192.0.2.1"] } });
    const request = "GET / HTTP/1.1\r\nHost: proxied.test\r\nConnection: close\r\n\r\n";
    const header = "PROXY TCP4 192.0.2.1 203.0.113.1 5000 443\r\n";
    expect(await exchange(site.gatewright.ports.http, header + request, balancer)).toMatch(/^HTTP\/1.1 200 /);
    expect(
      await exchange(
        site.gatewright.ports.http,
        header.replace("192.0.2.1", "192.0.2.2") + request,
        balancer,
      ),
    ).toMatch(/^HTTP\/1.1 403 /);
    expect(await exchange(site.gatewright.ports.http, header + request, "127.0.0.9")).toMatch(
      /^HTTP\/1.1 400 /,
    );
    expect(await exchange(site.gatewright.ports.http, request, balancer)).toMatch(/^HTTP\/1.1 403 /);
  });

  it("cannot be got around by another spelling of the path", async () => {
    const rules = [
      rule("paths.test", "web", site.backend.port, {}),
      rule(
        "paths.test",
        "web",
        site.backend.port,
        { path: { type: "prefix", value: "/admin" } },
        { policies: { access: { allow: ["192.0.2.1"] } } },
      ),
    ];
    await createIngress({ url: site.gatewright.url, name: "paths", rules });
    for (const path of [
      "/admin",
      "/admin/",
      "/admin/x",
      "/%61dmin",
      "/a/../admin",
      "//admin",
      "/./admin",
      "/a/%2e%2e/admin",
      "/%2fadmin",
      "/a%2f..%2fadmin",
    ])
      expect([path, await statusOf("paths", {}, path)]).toEqual([path, 403]);
    for (const path of ["/", "/administrator", "/Admin", "/x/admin", "/admin/../x"])
      expect([path, await statusOf("paths", {}, path)]).toEqual([path, 200]);
  });

  it("holds for the methods and headers of its rule, in whatever order the rules came", async () => {
    const closed = { policies: { access: { allow: ["192.0.2.1"] } } };
    const path = { type: "prefix", value: "/orders" };
    const place = (name: string, match: object, more: object = {}): ReturnType<typeof createIngress> =>
      createIngress({
        url: site.gatewright.url,
        name,
        rules: [rule("narrow.test", "web", site.backend.port, match, more)],
      });
    expect((await place("narrow-wide", {})).status).toBe(201);
    expect((await place("narrow-post", { path, methods: ["POST", "PUT"] }, closed)).status).toBe(201);
    expect((await place("narrow-open", { path: { type: "exact", value: "/orders/new" } })).status).toBe(201);
    expect((await place("narrow-beta", { headers: { "X-Beta": "1" } }, closed)).status).toBe(201);
    const status = (method: string, at: string, headers = {}): Promise<number> =>
      statusOf("narrow", { method, headers }, at);
    expect(await status("GET", "/orders/1")).toBe(200);
    expect(await status("POST", "/orders/1")).toBe(403);
    expect(await status("PUT", "//orders/./1")).toBe(403);
    expect(await status("POST", "/order%73")).toBe(403);
    expect(await status("POST", "/orders/new")).toBe(200);
    expect(await status("POST", "/orders/x/../new")).toBe(200);
    expect(await status("POST", "/orders/new/")).toBe(403);
    expect(await status("POST", "/ordersnew")).toBe(200);
    expect(await status("GET", "/", { "x-beta": "1" })).toBe(403);
    expect(await status("GET", "/", { "x-beta": "2" })).toBe(200);
    expect(await status("GET", "/orders/new", { "x-beta": "1" })).toBe(200);
  });

  it("holds for WebSockets before they are opened", async () => {
    const upgrade =
      "GET / HTTP/1.1\r\nHost: deny.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const before = site.backend.requests();
    expect(
      await exchange(
        site.gatewright.ports.http,
        upgrade.replace("Connection: Upgrade", "Connection: Upgrade, close"),
        "127.0.0.9",
      ),
    ).toMatch(/^HTTP\/1.1 403 /);
    expect(site.backend.requests()).toBe(before);
  });
});
