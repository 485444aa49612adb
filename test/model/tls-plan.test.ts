import { describe, expect, it } from "vitest";
import { coveringWildcard, isDomainAllowed } from "../../src/model/allowed-domains.ts";
import { planTls, type TlsSettings } from "../../src/model/tls-plan.ts";

const dns: TlsSettings = {
  acmeConfigured: true,
  dnsChallenge: true,
  allowedDomains: ["example.com", "*.example.com", "*.*.deep.test"],
  preferWildcard: true,
};
const rule = (hostname: string, options: object = {}) => ({
  match: { hostname, port: 443 },
  target: { instance: hostname.includes("{") ? "{instance}" : "web-1", port: 80 },
  ...options,
});
const managed = (subject: string, more: object = {}) => ({
  kind: "managed",
  subject,
  issuer: "acme",
  onDemand: false,
  ...more,
});

describe("the plan of a TLS rule", () => {
  it.each([
    ["a hostname under an allowed wildcard shares it", "shop.example.com", dns, managed("*.example.com")],
    ["the wildcard's own domain does not", "example.com", dns, managed("example.com")],
    ["a pattern is its wildcard", "{instance}.example.com", dns, managed("*.example.com")],
    [
      "not without the preference",
      "shop.example.com",
      { ...dns, preferWildcard: false },
      managed("shop.example.com"),
    ],
    ["not without DNS-01", "shop.example.com", { ...dns, dnsChallenge: false }, managed("shop.example.com")],
    [
      "a list with * has no wildcard to share",
      "shop.example.com",
      { ...dns, allowedDomains: ["*"] },
      managed("shop.example.com"),
    ],
    [
      "on demand without sharing",
      "shop.example.com",
      { ...dns, onDemand: true, preferWildcard: false },
      managed("shop.example.com", { onDemand: true }),
    ],
    [
      "wildcards are ordered at once even then",
      "{instance}.example.com",
      { ...dns, onDemand: true },
      managed("*.example.com"),
    ],
    [
      "patterns without DNS-01 by name",
      "{instance}.example.com",
      { ...dns, onDemand: true, dnsChallenge: false },
      managed("*.example.com", { onDemand: true }),
    ],
  ])("%s", (_, hostname, settings, plan) => {
    expect(planTls(rule(hostname), settings)).toEqual(plan);
  });

  it("takes imported certificates and the internal authority without ACME and list", () => {
    const none = { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] };
    expect(planTls(rule("a.test", { tls_options: { certificate: "c1" } }), none)).toEqual({
      kind: "imported",
      certificate: "c1",
    });
    expect(planTls(rule("a.test", { tls_options: { issuer: "internal" } }), none)).toMatchObject({
      issuer: "internal",
    });
    expect(planTls(rule("a.test"), { ...none, issuer: "internal" })).toMatchObject({
      subject: "a.test",
      issuer: "internal",
    });
  });

  it.each([
    ["a.test", { ...dns, acmeConfigured: false }, "bad_request", /ACME is not configured/],
    ["a.elsewhere.test", dns, "domain_not_allowed", /not in TLS_ALLOWED_DOMAINS \(allowed: example.com,/],
    ["{instance}.example.com", { ...dns, dnsChallenge: false }, "bad_request", /takes the DNS challenge/],
    ["*", dns, "bad_request", /no certificate covers every host/],
    ["192.0.2.1", dns, "bad_request", /RFC 6066/],
    ["a.xn--0.example.com", dns, "bad_request", /"xn--0" is no ASCII form/],
  ])("refuses %s with the reason", (hostname, settings, code, reason) => {
    const plan = planTls(rule(hostname), settings);
    expect(plan).toMatchObject({ kind: "refused", code });
    expect(plan.kind === "refused" ? plan.reason : "").toMatch(reason);
  });
});

describe("the allow-list", () => {
  it.each([
    ["SHOP.Example.COM", ["*.example.com"], true],
    ["example.com", ["*.example.com"], false],
    ["a.b.example.com", ["*.example.com"], false],
    ["{i}.example.com", ["*.EXAMPLE.com"], true],
    ["{i}.example.com", ["shop.example.com"], false],
    ["{a}.{b}.deep.test", ["*.*.deep.test"], true],
    ["anything.test", ["*"], true],
    ["anything.test", [], false],
    ["münchen.example.com", ["xn--mnchen-3ya.example.com"], true],
  ])("%s against %j: %s", (hostname, list, allowed) => {
    expect(isDomainAllowed(hostname, list)).toBe(allowed);
  });

  it("has no wildcard of wildcards to share", () => {
    expect(coveringWildcard("a.b.deep.test", ["*.*.deep.test"])).toBeUndefined();
  });
});
