import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { OnDemandNames } from "../../src/certificates/on-demand-names.ts";
import type { IngressRule } from "../../src/model/api.ts";
import { addOnDemandMetrics } from "../../src/telemetry/on-demand-metrics.ts";
import { growthOf } from "../support/growth.ts";
import { moved, seriesOf } from "../support/moved-metrics.ts";

const settings = {
  acmeConfigured: true,
  dnsChallenge: false,
  allowedDomains: [
    "*.example.com",
    "*.dev.example.com",
    "*.pool.example.com",
    "api.*.example.com",
    "*.*.*.deep.example.com",
  ],
  onDemand: true,
};
const rule = (hostname: string, instance: string, more: Partial<IngressRule> = {}): IngressRule => ({
  match: { hostname, port: 443 },
  target: { instance, port: 80 },
  tls: true,
  redirect_http: false,
  ...more,
});
const rules = [
  rule("shop.example.com", "web-1"),
  rule("plain.example.com", "web-1", { tls: false }),
  rule("inside.example.com", "web-1", { tls_options: { issuer: "internal" } }),
  rule("{instance}.dev.example.com", "{instance}"),
  rule("foreign.test", "web-1"),
  rule("api.{tenant}.example.com", "{tenant}"),
  rule("{a}.{b}.{c}.deep.example.com", "{c}"),
  rule("{instance}.pool.example.com", "{instance}", {
    targets: [
      { instance: "{instance}", port: 80 },
      { instance: "web-1", port: 80 },
      { address: "10.0.0.9", port: 80 },
    ],
  }),
];

function names(newNamesPerHour: number, now: () => number = () => 0): OnDemandNames {
  return new OnDemandNames({
    settings,
    rules: () => ({ generation: 1, rules: () => rules }),
    resolver: {
      resolve: (name) =>
        name === "web-1" || name.startsWith("vm-")
          ? { kind: "addresses", addresses: ["10.0.0.1"] }
          : { kind: "unknown" },
    },
    newNamesPerHour,
    now,
  });
}

describe("on-demand names", () => {
  it.each([
    ["shop.example.com", "allowed"],
    ["SHOP.example.com.", "allowed"],
    ["web-1.dev.example.com", "allowed"],
    ["ghost.dev.example.com", "unknown"],
    ["a.web-1.dev.example.com", "unknown"],
    ["plain.example.com", "unknown"],
    ["inside.example.com", "unknown"],
    ["foreign.test", "unknown"],
    ["nobody.example.com", "unknown"],
    // C6: captures anywhere, any number of them; a pool's fixed members permit nothing by themselves.
    ["api.web-1.example.com", "allowed"],
    ["api.ghost.example.com", "unknown"],
    ["www.web-1.example.com", "unknown"],
    ["x.y.web-1.deep.example.com", "allowed"],
    ["x.y.ghost.deep.example.com", "unknown"],
    ["y.web-1.deep.example.com", "unknown"],
    ["web-1.pool.example.com", "allowed"],
    ["random.pool.example.com", "unknown"],
    ["*.dev.example.com", "unknown"],
    ["", "unknown"],
  ])("%j is %s", (domain, verdict) => {
    expect(names(100).ask(domain)).toBe(verdict);
  });

  it("are limited in rate when they are new, and never when they are known", () => {
    let now = 0;
    const limited = names(2, () => now);
    limited.remember(["vm-stored.dev.example.com"]);
    expect(["vm-1", "vm-2", "vm-3"].map((name) => limited.ask(`${name}.dev.example.com`))).toEqual([
      "allowed",
      "allowed",
      "limited",
    ]);
    expect(limited.ask("vm-1.dev.example.com")).toBe("allowed");
    expect(limited.ask("vm-stored.dev.example.com")).toBe("allowed");
    now += 30 * 60 * 1000;
    expect(limited.ask("vm-3.dev.example.com")).toBe("allowed");
    expect(limited.ask("vm-4.dev.example.com")).toBe("limited");
  });

  it("are counted by answer, whatever the names are", async () => {
    const registry = new Registry();
    const asked = names(1);
    addOnDemandMetrics(registry, () => asked.answers);
    const before = await seriesOf(registry);
    for (const host of ["shop", "shop", "web-1.dev", "nobody"]) asked.ask(`${host}.example.com`);
    expect(moved(before, await seriesOf(registry), /./)).toEqual({
      'on_demand_questions_total{answer="allowed"}': 2,
      'on_demand_questions_total{answer="limited"}': 1,
      'on_demand_questions_total{answer="unknown"}': 1,
    });
  });

  it("are never more at once than in an hour, however long nobody came", () => {
    let now = 0;
    const limited = names(2, () => now);
    now += 100 * 60 * 60 * 1000;
    expect(["vm-1", "vm-2", "vm-3"].map((name) => limited.ask(`${name}.dev.example.com`))).toEqual([
      "allowed",
      "allowed",
      "limited",
    ]);
  });

  it("cost nothing when nobody claims them", () => {
    const limited = names(1);
    for (let index = 0; index < 1_000; index += 1) limited.ask(`scan-${index}.dev.example.com`);
    expect(limited.ask("shop.example.com")).toBe("allowed");
  });

  it("are learned from many rules of one host without a search for each", () => {
    const growth = growthOf((size) => {
      const many = Array.from({ length: size }, () => rule("{instance}.dev.example.com", "{instance}"));
      const asked = new OnDemandNames({
        settings,
        rules: () => ({ generation: 1, rules: () => many }),
        resolver: { resolve: () => ({ kind: "addresses", addresses: ["10.0.0.1"] }) },
      });
      expect(asked.ask("vm-1.dev.example.com")).toBe("allowed");
    }, 6_000);
    expect(growth).toBeLessThan(24);
  });
});
