import { describe, expect, it } from "vitest";
import { compileConfig } from "../../src/compiler/compile.ts";
import { ConfigNeeds, NeedsSnapshot, unite } from "../../src/compiler/config-needs.ts";
import { hstsHandlers } from "../../src/compiler/hsts.ts";
import { rowTargets } from "../../src/compiler/row-targets.ts";
import { type CompiledRow, compileRows } from "../../src/compiler/rows.ts";
import { importedCertificatePath } from "../../src/compiler/tls.ts";
import type { TlsNeed } from "../../src/compiler/tls-needs.ts";
import type { Hsts, IngressRule } from "../../src/model/api.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const settings = compilerSettings({ acme: { email: "ops@example.com" } });

function ruleOf(more: Partial<IngressRule> = {}): IngressRule {
  const target = { instance: "web", port: 80 };
  return { match: { hostname: "a.test", port: 80 }, target, tls: false, redirect_http: false, ...more };
}

function rowsOf(...rules: readonly IngressRule[]): readonly CompiledRow[] {
  const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };
  return compileRows({ id: "i", name: "i", rules, ...times }, settings);
}

function needsOf(...rules: readonly IngressRule[]): ConfigNeeds {
  const needs = new ConfigNeeds();
  for (const row of rowsOf(...rules)) needs.add(row);
  return needs;
}

const secure = (hostname: string): IngressRule => ruleOf({ match: { hostname, port: 443 }, tls: true });

describe("needs together", () => {
  it("are in order, whichever comes first, and each once", () => {
    const [left, right] = [
      needsOf(ruleOf({}), secure("b.test"), ruleOf({ match: { hostname: "a.test", port: 8080 } })),
      needsOf(ruleOf({}), ruleOf({ ...secure("a.test"), tls_options: { issuer: "internal" } })),
    ];
    const [one, other] = [unite(left, right), unite(right, left)].map((view) => ({
      ports: view.ports().map(({ port }) => port),
      needs: view.tlsNeeds().map((need) => JSON.stringify(need)),
    }));
    expect(one).toEqual(other);
    expect(one?.ports).toEqual([80, 443, 8080]);
    expect(one?.needs).toEqual([...new Set(one?.needs)].sort());
    expect(one?.needs).toHaveLength(3);
  });

  it("at one moment stay as they were", () => {
    const needs = needsOf(ruleOf({}));
    const before = new NeedsSnapshot(needs);
    const seen = [before.ports(), before.tlsNeeds()];
    for (const row of rowsOf(secure("a.test"))) needs.add(row);
    expect([before.ports(), before.tlsNeeds()]).toEqual(seen);
    expect(needs.ports().length).toBeGreaterThan(before.ports().length);
  });

  it("are counted by rows", () => {
    const named = ruleOf({ ...secure("a.test"), tls_options: { certificate: "c1" } });
    const needs = needsOf(named, ruleOf({ ...secure("b.test"), tls_options: { certificate: "c1" } }));
    const loaded: TlsNeed = { kind: "certificate", id: "c1" };
    expect([needs.usesOf(loaded), needs.usesOf({ ...loaded, id: "c2" })]).toEqual([2, 0]);
  });
});

describe("imported certificates", () => {
  it("are loaded by their digest, and not while they are not there", () => {
    const needs = needsOf(ruleOf({ ...secure("a.test"), tls_options: { certificate: "c1" } }));
    const loaded = (imported: ReadonlyMap<string, string>) =>
      compileConfig(needs, settings, imported).apps.tls?.certificates?.load_files;
    const file = importedCertificatePath(settings.folder, "c1");
    expect(loaded(new Map([["c1", "d1"]]))).toStrictEqual([
      { certificate: file, key: file, tags: ["c1", "d1"] },
    ]);
    expect(loaded(new Map([["c2", "d2"]])) ?? []).toEqual([]);
  });
});

describe("HSTS", () => {
  it.each<[Hsts, string]>([
    [{}, "max-age=31536000"],
    [{ max_age_seconds: 60 }, "max-age=60"],
    [{ include_subdomains: true, preload: false }, "max-age=31536000; includeSubDomains"],
    [{ include_subdomains: true, preload: true }, "max-age=31536000; includeSubDomains; preload"],
  ])("%j is %s", (hsts, value) => {
    const [handler] = hstsHandlers(ruleOf({ tls: true, tls_options: { hsts } }));
    expect(handler?.response.set).toEqual({ "Strict-Transport-Security": [value] });
  });

  it("is told over TLS alone", () => {
    expect(hstsHandlers(ruleOf({ tls_options: { hsts: {} } }))).toEqual([]);
    expect(hstsHandlers(ruleOf({ tls: true }))).toEqual([]);
  });
});

describe("targets of a row", () => {
  it("have what is not the default, and nothing else", () => {
    const targets: NonNullable<IngressRule["targets"]> = [
      { instance: "a", port: 1, mode: "active", wake: false },
      { instance: "b", port: 2, weight: 0, mode: "drain" },
      { service: "c", port: 3, mode: "pause" },
      { address: "db.test", resolvers: ["10.0.0.2"], port: 4, mode: "pause", pause_timeout: "5s" },
      { instance: "d", port: 5, wake: true },
      { instance: "e", port: 6, wake: true, wake_timeout: "1m" },
    ];
    const { target: _, ...pool } = ruleOf();
    expect(rowTargets({ ...pool, targets })).toStrictEqual([
      { instance: "a", port: 1 },
      { instance: "b", port: 2, weight: 0, mode: "drain" },
      { service: "c", port: 3, mode: "pause", pause_ms: 30_000 },
      { address: "db.test", resolvers: ["10.0.0.2:53"], port: 4, mode: "pause", pause_ms: 5_000 },
      { instance: "d", port: 5, wake_ms: 30_000 },
      { instance: "e", port: 6, wake_ms: 60_000 },
    ]);
  });
});
