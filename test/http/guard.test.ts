import { describe, expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";

describe("an open API", () => {
  it.each([
    ["localhost", 200],
    ["LOCALHOST:8080", 200],
    ["127.0.0.1:8080", 200],
    ["127.8.9.1", 200],
    ["[::1]:8080", 200],
    ["gatewright.internal:80", 200],
    ["192.0.2.7", 200],
    ["evil.example.com", 403],
    ["localhost.evil.example.com", 403],
    ["127.0.0.1.nip.io", 403],
    ["10.0.0.1", 403],
    ["localhost@evil.example.com", 403],
    ["localhost/", 403],
    ["localhost:x", 403],
  ])("answers the Host %j with %i", async (host, status) => {
    await using api = await startApi({ allowedHosts: ["Gatewright.internal", "192.0.2.7"] });
    const reply = await api.call({ path: "/ingresses", headers: { Host: host } });
    expect(reply.status).toBe(status);
    if (status === 403) expect(reply.json()["code"]).toBe("Forbidden");
    for (const path of ["/health", "/ready"])
      expect((await api.call({ path, headers: { Host: host } })).status).toBe(200);
  });

  it("refuses other origins, also to write", async () => {
    await using api = await startApi({ allowedHosts: ["127.0.0.1", "ui.example.com"] });
    const status = async (origin: string): Promise<number> => {
      const headers = { Origin: origin, "Content-Type": "application/json" };
      return (await api.call({ method: "POST", path: "/ingresses", headers, raw: "{}" })).status;
    };
    expect(await status(api.url)).toBe(400);
    expect(await status("https://ui.example.com")).toBe(400);
    const headers = {
      Host: "LocalHost:8080",
      Origin: "http://localhost:8080",
      "Content-Type": "application/json",
    };
    const same = await api.call({ method: "POST", path: "/ingresses", headers, raw: "{}" });
    expect(same.status).toBe(400);
    for (const origin of [
      "https://evil.example.com",
      "null",
      `http://127.0.0.1:${api.port + 1}`,
      "http://localhost",
    ]) {
      expect([origin, await status(origin)]).toEqual([origin, 403]);
    }
  });

  it("needs no Host check once it needs a token", async () => {
    await using api = await startApi({ secret: "s" });
    expect((await api.call({ path: "/ingresses", headers: { Host: "evil.example.com" } })).status).toBe(401);
  });

  it("takes an empty secret for none, so that nobody can mint tokens with it", async () => {
    await using api = await startApi({ secret: "" });
    expect((await api.call({ path: "/ingresses", headers: { Host: "evil.example.com" } })).status).toBe(403);
  });
});
