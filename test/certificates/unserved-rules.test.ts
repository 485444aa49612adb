import { describe, expect, it } from "vitest";
import { UnservedRules } from "../../src/certificates/unserved-rules.ts";
import type { Ingress } from "../../src/model/api.ts";

const settings = { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] };

const ingress = (id: string, hosts: readonly string[], tls = true): Ingress => ({
  id,
  name: id,
  rules: hosts.map((hostname) => ({
    match: { hostname, port: 443 },
    target: { instance: "web-1", port: 80 },
    tls,
    redirect_http: false,
  })),
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
});

describe("C5: rules that are not served with TLS", () => {
  it("are told one by one, and no longer when they change or go", () => {
    const unserved = new UnservedRules(settings);
    unserved.put(ingress("a", ["a.example.com", "b.example.com"]));
    unserved.put(ingress("plain", ["c.example.com"], false));
    expect(unserved.size).toBe(2);
    expect(unserved.reasons()[1]).toMatch(/^ingress a: b\.example\.com is not served with TLS: .*ACME/);
    unserved.put(ingress("a", ["a.example.com"]));
    expect([unserved.size, unserved.reasons().length]).toEqual([1, 1]);
    unserved.remove("a");
    unserved.remove("never");
    expect([unserved.size, unserved.reasons()]).toEqual([0, []]);
  });

  it("are counted where there are many", () => {
    const unserved = new UnservedRules(settings);
    for (let index = 0; index < 30; index += 1) unserved.put(ingress(`${index}`, [`${index}.example.com`]));
    expect(unserved.reasons()).toHaveLength(21);
    expect(unserved.reasons().at(-1)).toMatch(/^10 more/);
  });
});
