import { describe, expect, it } from "vitest";
import { compileConfig } from "../../src/compiler/compile.ts";
import { ConfigNeeds, unite } from "../../src/compiler/config-needs.ts";
import { TableDigest } from "../../src/compiler/digest.ts";
import { compileRows } from "../../src/compiler/rows.ts";
import type { Ingress, IngressRule } from "../../src/model/api.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { seededRandom } from "../support/seeded-random.ts";

const settings = compilerSettings({ acme: { email: "ops@example.com" } });

function ingress(
  id: string,
  rules: readonly Partial<IngressRule["match"] & { tls: boolean; redirect: boolean }>[],
): Ingress {
  return {
    id,
    name: `name-${id}`,
    rules: rules.map(
      ({ tls = false, redirect = false, hostname = `${id}.example.com`, port = 80, ...match }) => ({
        match: { hostname, port, ...match },
        target: { instance: "web-1", port: 8080 },
        tls,
        redirect_http: redirect,
      }),
    ),
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
  };
}

function randomIngress(random: () => number, id: string): Ingress {
  const rules = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => {
    const tls = random() < 0.4;
    return {
      tls,
      redirect: tls && random() < 0.5,
      port: 80 + Math.floor(random() * 4),
      path: { type: "prefix", value: `/${index}` } as const,
    };
  });
  return ingress(id, rules);
}

describe("compile", () => {
  it("gives the same for any order of the ingresses", () => {
    const random = seededRandom(1);
    const ingresses = Array.from({ length: 30 }, (_, index) => randomIngress(random, `i${index}`));
    const shuffled = ingresses.toSorted(() => random() - 0.5);
    expect(compile(shuffled, settings)).toEqual(compile(ingresses, settings));
  });

  it("gives the same as its parts kept up to date change by change", () => {
    const random = seededRandom(2);
    const present = new Map<string, Ingress>();
    const needs = new ConfigNeeds();
    const digest = new TableDigest();
    for (let step = 0; step < 400; step += 1) {
      const id = `i${Math.floor(random() * 20)}`;
      for (const compiled of compileRows(present.get(id) ?? ingress(id, []), settings)) {
        needs.remove(compiled);
        digest.remove(compiled.row);
      }
      present.delete(id);
      if (random() < 0.6) {
        const added = randomIngress(random, id);
        present.set(id, added);
        for (const compiled of compileRows(added, settings)) {
          needs.add(compiled);
          digest.add(compiled.row);
        }
      }
      const whole = compile(present.values(), settings);
      expect(digest.version()).toBe(whole.table.version);
      expect(compileConfig(needs, settings)).toEqual(whole.config);
    }
  });

  it("tells a needs that changed from one that did not", () => {
    const needs = new ConfigNeeds();
    const add = (one: Ingress): void => {
      for (const compiled of compileRows(one, settings)) needs.add(compiled);
    };
    add(ingress("a", [{}]));
    const { generation } = needs;
    add(ingress("b", [{}]));
    expect(needs.generation).toBe(generation);
    add(ingress("c", [{ port: 81 }]));
    expect(needs.generation).toBeGreaterThan(generation);
  });

  it("unites two needs to one that serves both", () => {
    const one = new ConfigNeeds();
    const other = new ConfigNeeds();
    const both = new ConfigNeeds();
    for (const compiled of compileRows(ingress("a", [{ port: 80 }, { port: 81, tls: true }]), settings)) {
      one.add(compiled);
      both.add(compiled);
    }
    for (const compiled of compileRows(ingress("b", [{ port: 81 }, { port: 82 }]), settings)) {
      other.add(compiled);
      both.add(compiled);
    }
    expect(compileConfig(unite(one, other), settings)).toEqual(compileConfig(both, settings));
  });

  it("keeps the header secret out of the table and the configuration", () => {
    const secret = "s3cret-s3cret-s3cret-s3cret-s3cret";
    const one = ingress("a", [{}]);
    const rules = one.rules.map((rule) => ({
      ...rule,
      request_header_auth: { header: "X-Key", value: secret },
    }));
    const compiled = compile([{ ...one, rules }], settings);
    expect(compiled.table.rows[0]?.auth?.header).toBe("X-Key");
    expect(JSON.stringify(compiled)).not.toContain(secret);
  });
});
