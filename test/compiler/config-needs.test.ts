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

const compressed = ruleOf({ policies: { compress: true } });
const limited = ruleOf({ policies: { rate_limit: { requests_per_second: 1 } } });
const secure = (hostname: string): IngressRule => ruleOf({ match: { hostname, port: 443 }, tls: true });

describe("policy sets", () => {
  it("are there from the first row that names them to the last", () => {
    const needs = new ConfigNeeds();
    const keys = (): readonly string[] => needs.policySets().map(([key]) => key);
    const [one, two] = [rowsOf(compressed), rowsOf(compressed)].flat();
    if (one === undefined || two === undefined) throw new Error("no rows");
    const generations = [needs.generation];
    for (const [change, row] of [
      ["add", one],
      ["add", two],
      ["remove", one],
      ["remove", two],
    ] as const) {
      needs[change](row);
      generations.push(needs.generation);
    }
    const [, first = 0, second, third, last = 0] = generations;
    expect([second, third]).toEqual([first, first]);
    expect(last).toBeGreaterThan(first);
    expect([keys(), needs.ports()]).toEqual([[], []]);
    // Taking out what is not there changes nothing.
    needs.remove({ row: one.row, ...(one.policySet === undefined ? {} : { policySet: one.policySet }) });
    needs.add(one);
    expect(keys()).toEqual([one.policySet?.key]);
  });
});

describe("needs together", () => {
  it("are in order, whichever comes first, and each once", () => {
    const [left, right] = [
      needsOf(compressed, secure("b.test"), ruleOf({ match: { hostname: "a.test", port: 8080 } })),
      needsOf(limited, compressed, secure("a.test")),
    ];
    const [one, other] = [unite(left, right), unite(right, left)].map((view) => ({
      ports: view.ports().map(({ port }) => port),
      sets: view.policySets().map(([key]) => key),
      needs: view.tlsNeeds().map((need) => JSON.stringify(need)),
    }));
    expect(one).toEqual(other);
    expect(one?.ports).toEqual([80, 443, 8080]);
    expect(one?.sets).toEqual(
      [...new Set([...left.policySets(), ...right.policySets()].map(([key]) => key))].sort(),
    );
    expect(one?.needs).toEqual([...new Set(one?.needs)].sort());
    expect(one?.needs).toHaveLength(3);
  });

  it("at one moment stay as they were", () => {
    const needs = needsOf(compressed);
    const before = new NeedsSnapshot(needs);
    const seen = [before.ports(), before.policySets(), before.tlsNeeds()];
    for (const row of rowsOf(limited, secure("a.test"))) needs.add(row);
    expect([before.ports(), before.policySets(), before.tlsNeeds()]).toEqual(seen);
    expect(needs.policySets().length).toBeGreaterThan(before.policySets().length);
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
      compileConfig(needs, settings, imported).apps.tls?.certificates.load_files;
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
