import { describe, expect, it } from "vitest";
import { ConfigNeeds } from "../../src/compiler/config-needs.ts";
import { compileRows } from "../../src/compiler/rows.ts";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import { type ManagedName, type RuleTlsNeed, tlsNeeds } from "../../src/compiler/tls-needs.ts";
import type { Ingress, IngressRule } from "../../src/model/api.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const acme = { email: "ops@example.com" };
const settings = compilerSettings({ acme });
const onDemand = compilerSettings({
  acme,
  tls: {
    acmeConfigured: true,
    dnsChallenge: false,
    allowedDomains: ["*"],
    onDemand: true,
    askUrl: "http://127.0.0.1:1/tls/ask",
  },
});

const rule = (hostname: string, more: Partial<IngressRule> = {}): IngressRule => ({
  match: { hostname, port: 443 },
  target: { instance: "web-1", port: 80 },
  tls: true,
  redirect_http: false,
  ...more,
});
const ingress = (id: string, ...rules: IngressRule[]): Ingress => ({
  id,
  name: id,
  rules,
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
});

function needsIn(rules: readonly IngressRule[], of: CompilerSettings = settings): ConfigNeeds {
  const needs = new ConfigNeeds();
  for (const one of compileRows(ingress("a1", ...rules), of)) needs.add(one);
  return needs;
}

describe("what TLS needs", () => {
  it("changes the configuration with the first name only; further ones are in the host table alone", () => {
    const needs = needsIn([rule("a.example.com")]);
    const { generation, tlsGeneration } = needs;
    for (const one of compileRows(ingress("b1", rule("b.example.com")), settings)) needs.add(one);
    expect(needs.generation).toBe(generation);
    expect(needs.tlsGeneration).toBeGreaterThan(tlsGeneration);
  });

  it("are no part of the configuration where they are options of connections, but of an imported certificate", () => {
    const needs = needsIn([rule("a.example.com")]);
    const { generation, tlsGeneration } = needs;
    const add = (id: string, tls_options: NonNullable<IngressRule["tls_options"]>) => {
      for (const one of compileRows(ingress(id, rule(`${id}.example.net`, { tls_options })), settings))
        needs.add(one);
    };
    add("a", { issuer: "acme" });
    const named = needs.tlsGeneration;
    expect(named).toBeGreaterThan(tlsGeneration);
    add("a", { min_version: "1.3", client_auth: { mode: "require", ca_pem: "-" } });
    expect([needs.generation, needs.tlsGeneration]).toEqual([generation, named]);
    add("a", { certificate: "c1" });
    expect(needs.generation).toBeGreaterThan(generation);
  });

  it("counts a name on two ports once, until both are gone", () => {
    const rules = [
      rule("a.example.com"),
      rule("a.example.com", { match: { hostname: "a.example.com", port: 8443 } }),
    ];
    const needs = needsIn(rules);
    const managed = (): readonly ManagedName[] => needs.managedNames();
    expect(managed()).toHaveLength(1);
    const [first, second] = compileRows(ingress("a1", ...rules), settings);
    if (first !== undefined) needs.remove(first);
    expect(managed()).toHaveLength(1);
    if (second !== undefined) needs.remove(second);
    expect([managed(), needs.tlsNeeds()]).toEqual([[], []]);
    expect(needs.ports()).toEqual([]);
  });

  it("counts the rules that have a certificate for a name from Caddy, whoever signs it", () => {
    const internal = rule("a.example.com", { tls_options: { issuer: "internal", min_version: "1.3" } });
    const imported = rule("i.example.com", { tls_options: { certificate: "c1" } });
    const needs = needsIn([internal, internal, rule("b.example.com"), imported]);
    const counts = ["a.example.com", "b.example.com", "i.example.com", "c.example.com"].map((name) =>
      needs.usesOfName(name),
    );
    expect(counts).toEqual([2, 1, 0, 0]);
  });

  it.each([
    ["ordered at once", settings],
    ["ordered on demand", onDemand],
  ])("render the same configuration however many names there are that are %s", (_, of) => {
    const one = compile([ingress("a1", rule("a.example.com"))], of);
    const many = Array.from({ length: 100 }, (_, index) =>
      ingress(`b${index}`, rule(`b${index}.example.com`)),
    );
    expect(compile(many, of).config).toEqual(one.config);
  });

  it("puts a name into the row, but not where it is ordered on demand or imported", () => {
    const imported = rule("i.example.com", { tls_options: { certificate: "c1" } });
    const internal = rule("n.example.com", { tls_options: { issuer: "internal" } });
    const namesOf = (of: CompilerSettings) =>
      compile([ingress("a1", rule("a.example.com"), imported, internal)], of).table.rows.map(
        ({ managed_name: name }) => name,
      );
    const own = { subject: "n.example.com", issuer: "internal" };
    expect(namesOf(settings)).toEqual([{ subject: "a.example.com", issuer: "acme" }, undefined, own]);
    expect(namesOf(onDemand)).toEqual([undefined, undefined, own]);
  });

  it("does not depend on the order of ingresses", () => {
    const two = [ingress("a1", rule("b.example.com")), ingress("a2", rule("a.example.com"))];
    expect(compile(two.toReversed(), settings)).toEqual(compile(two, settings));
  });
});

describe("contradictions", () => {
  const modern = rule("a.example.com", { tls_options: { min_version: "1.3" } });
  const needsOf = (one: IngressRule): readonly RuleTlsNeed[] => tlsNeeds(one, settings) ?? [];
  const clashes = (needs: ConfigNeeds, one: IngressRule, before: readonly IngressRule[] = []): boolean =>
    needsOf(one).some((need) => needs.contradicts(need, before.flatMap(needsOf)));

  it("are other options for the same host and port, and another issuer for the same name", () => {
    const needs = needsIn([modern]);
    const { match } = rule("a.example.com");
    expect(clashes(needs, rule("a.example.com", { tls_options: { min_version: "1.2" } }))).toBe(true);
    expect(clashes(needs, rule("a.example.com", { tls_options: { issuer: "internal" } }))).toBe(true);
    expect(clashes(needs, modern)).toBe(false);
    expect(clashes(needs, rule("a.example.com"))).toBe(false);
    expect(clashes(needs, rule("b.example.com", { tls_options: { min_version: "1.2" } }))).toBe(false);
    const elsewhere = { match: { ...match, port: 8443 }, tls_options: { min_version: "1.2" as const } };
    expect(clashes(needs, rule("a.example.com", elsewhere))).toBe(false);
  });

  it("are none with what the change itself replaces", () => {
    const changed = rule("a.example.com", { tls_options: { min_version: "1.2" } });
    expect(clashes(needsIn([modern]), changed, [modern])).toBe(false);
    expect(clashes(needsIn([modern, modern]), changed, [modern])).toBe(true);
  });
});

describe("ten thousand hostnames under one allowed wildcard", () => {
  it("are one name that a certificate is ordered for", () => {
    const dns = { apiToken: "{file./token}" };
    const tls = {
      acmeConfigured: true,
      dnsChallenge: true,
      allowedDomains: ["*.example.com"],
      preferWildcard: true,
    };
    const ingresses = Array.from({ length: 10_000 }, (_, index) =>
      ingress(`i${index}`, rule(`host-${index}.example.com`)),
    );
    const { table } = compile(ingresses, compilerSettings({ acme: { ...acme, dns }, tls }));
    const names = new Set(table.rows.map(({ managed_name: name }) => `${name?.subject} ${name?.issuer}`));
    expect([...names]).toEqual(["*.example.com acme"]);
  });
});
