import { describe, expect, it } from "vitest";
import type { Ingress, IngressTarget, RuleStatus, TargetStatus } from "../../src/model/api.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import type { HealthState } from "../../src/targets/checker.ts";
import { targetReport, targetsResolved } from "../../src/targets/target-report.ts";

const resolutions: { readonly [name: string]: Resolution } = {
  "web-1": { kind: "addresses", addresses: ["10.0.0.1"] },
  "web-2": { kind: "addresses", addresses: ["10.0.0.2", "fd00::2"] },
  "api.svc": { kind: "addresses", addresses: ["10.0.0.3"] },
  paused: { kind: "addresses", addresses: ["10.0.0.4"] },
  off: { kind: "no_address", reason: "is Stopped" },
  lost: { kind: "unavailable", reason: "the source is down" },
};
const states: { readonly [dial: string]: HealthState } = {
  "10.0.0.1:80": { health: "healthy", since: "2026-01-01T00:00:00Z" },
  "10.0.0.2:80": { health: "unhealthy", since: "2026-01-02T00:00:00Z", message: "status 500" },
};
const report = targetReport({
  resolver: { resolve: (name) => resolutions[name] ?? { kind: "unknown" } },
  health: { stateOf: ({ id }, index, dial) => (id === "a" && index === 0 ? states[dial] : undefined) },
  modeOf: (instance) => (instance === "paused" ? "pause" : "active"),
});

function ingress(targets: readonly IngressTarget[], hostname = "a.example.com", protocol?: "tcp"): Ingress {
  const match = { hostname, port: 80, ...(protocol === undefined ? {} : { protocol }) };
  return {
    id: "a",
    name: "a",
    rules: [{ match, targets, tls: false, redirect_http: false }],
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}

describe("the report on targets", () => {
  const address = (dial: string): object => ({ address: dial, health: "unchecked" });
  it.each<[string, IngressTarget, object]>([
    [
      "checked and well",
      { instance: "web-1", port: 80 },
      {
        resolved: true,
        mode: "active",
        addresses: [{ address: "10.0.0.1:80", health: "healthy", since: "2026-01-01T00:00:00Z" }],
      },
    ],
    [
      "of two families, one not well, one not checked",
      { instance: "WEB-2", port: 80 },
      {
        resolved: true,
        mode: "active",
        addresses: [
          {
            address: "10.0.0.2:80",
            health: "unhealthy",
            since: "2026-01-02T00:00:00Z",
            message: "status 500",
          },
          address("[fd00::2]:80"),
        ],
      },
    ],
    [
      "a service, whose instances have the modes",
      { service: "api", port: 8080 },
      { resolved: true, mode: "active", addresses: [address("10.0.0.3:8080")] },
    ],
    [
      "an instance that is paused",
      { instance: "paused", port: 80 },
      { resolved: true, mode: "pause", addresses: [address("10.0.0.4:80")] },
    ],
    [
      "the target's own mode before that of the instance",
      { instance: "paused", port: 80, mode: "drain" },
      { resolved: true, mode: "drain", addresses: [address("10.0.0.4:80")] },
    ],
    [
      "an address",
      { address: "192.0.2.1", port: 80 },
      { resolved: true, mode: "active", addresses: [address("192.0.2.1:80")] },
    ],
    [
      "an instance without an address",
      { instance: "off", port: 80 },
      { resolved: false, reason: "is Stopped", mode: "active", addresses: [] },
    ],
    [
      "an instance that cannot be looked up",
      { instance: "lost", port: 80 },
      { resolved: false, reason: "the source is down", mode: "active", addresses: [] },
    ],
    [
      "no instance",
      { instance: "nobody", port: 80 },
      { resolved: false, reason: "there is no such instance", mode: "active", addresses: [] },
    ],
    [
      "no service",
      { service: "nobody", port: 80 },
      { resolved: false, reason: "there is no such service", mode: "active", addresses: [] },
    ],
  ])("%s", async (_, target, expected) => {
    expect(await report(ingress([target]))).toEqual([
      { hostname: "a.example.com", port: 80, targets: [{ target, ...expected }] },
    ]);
  });

  it("says of captures that requests tell, also of a drained target, and names the protocol of layer 4", async () => {
    const targets = [
      { instance: "{vm}", port: 80 },
      { instance: "{vm}", port: 81, mode: "drain" as const },
    ];
    const known = { resolved: false, reason: "known when a request comes", addresses: [] };
    expect(await report(ingress(targets, "{vm}.example.com", "tcp"))).toEqual([
      {
        hostname: "{vm}.example.com",
        port: 80,
        protocol: "tcp",
        targets: [
          { target: targets[0], ...known, mode: "active" },
          { target: targets[1], ...known, mode: "drain" },
        ],
      },
    ]);
  });
});

describe("TargetsResolved", () => {
  /** A target as the report has it: `active`, `drain` or `pause`, each of its addresses with its health. */
  const target = (mode: TargetStatus["mode"], ...healths: readonly HealthOf[]): TargetStatus => ({
    target: { instance: "web", port: 80 },
    resolved: healths.length > 0,
    mode,
    addresses: healths.map((health, at) => ({ address: `10.0.0.${at}:80`, health })),
  });
  type HealthOf = TargetStatus["addresses"][number]["health"];
  const unresolved = (name: IngressTarget, reason?: string): TargetStatus => ({
    target: name,
    resolved: false,
    mode: "active",
    addresses: [],
    ...(reason === undefined ? {} : { reason }),
  });
  const unweighted = (one: TargetStatus): TargetStatus => ({ ...one, target: { ...one.target, weight: 0 } });
  const captured = unresolved({ instance: "{vm}", port: 80 }, "known when a request comes");
  const resolved = ["True", "Resolved", "Every rule has a target that takes requests."];

  const rule = (...targets: readonly TargetStatus[]): RuleStatus => ({
    hostname: "a.example.com",
    port: 80,
    targets,
  });
  const found = (...rules: readonly RuleStatus[]): readonly unknown[] => {
    const finding = targetsResolved(ingress([]), rules);
    expect(finding?.type).toBe("TargetsResolved");
    return [finding?.status, finding?.reason, finding?.message];
  };

  it.each<[string, RuleStatus, readonly string[]]>([
    ["is true of one that is well", rule(target("active", "healthy")), resolved],
    ["is true of one that is not checked", rule(target("active", "unchecked")), resolved],
    ["is true when one address is well", rule(target("active", "unhealthy", "unknown")), resolved],
    [
      "is true when one target takes requests",
      rule(target("drain", "healthy"), target("active", "unknown")),
      resolved,
    ],
    [
      "is true of captures, whatever the others are",
      rule(unresolved({ service: "x", port: 1 }), captured),
      resolved,
    ],
    [
      "is false without an address, and says why of each target",
      rule(
        unresolved({ instance: "off", port: 80 }, "is Stopped"),
        unresolved({ service: "api", port: 80 }),
        unresolved({ address: "db.test", port: 80 }, "DNS: ENOTFOUND"),
      ),
      [
        "False",
        "NoAddress",
        "Rule 0 (a.example.com): no target has an address (off: is Stopped; api: no address; db.test: DNS: ENOTFOUND).",
      ],
    ],
    [
      "is false when only targets without weight may have an address",
      rule(
        unweighted(captured),
        unweighted(target("active", "healthy")),
        unresolved({ instance: "off", port: 80 }),
      ),
      ["False", "NoAddress", "Rule 0 (a.example.com): no target has an address (off: no address)."],
    ],
    [
      "is false when all are drained",
      rule(target("drain", "healthy")),
      ["False", "Drained", "Rule 0 (a.example.com): every target is drained."],
    ],
    [
      "is false when one of the drained is paused",
      rule(target("drain", "healthy"), target("pause", "healthy")),
      ["False", "Paused", "Rule 0 (a.example.com): every target is paused or drained; requests wait."],
    ],
    [
      "is false when no address is well but of a target that is drained",
      rule(target("active", "unhealthy", "unhealthy"), target("drain", "healthy")),
      ["False", "AllUnhealthy", "Rule 0 (a.example.com): every address fails its health check."],
    ],
  ])("%s", (_, one, expected) => {
    expect(found(one)).toEqual(expected);
  });

  it("names three targets at most, each once", () => {
    const names = ["a", "a", "b", "c", "d"].map((instance) => unresolved({ instance, port: 80 }));
    expect(found(rule(...names))[2]).toContain("(a: no address; b: no address; c: no address).");
  });

  it("names the first rule that has none, and how many more there are", () => {
    const well = rule(target("active", "healthy"));
    const drained = rule(target("drain", "healthy"));
    expect(found(well, drained)[2]).toBe("Rule 1 (a.example.com): every target is drained.");
    expect(found(drained, well, drained, drained)[2]).toBe(
      "Rule 0 (a.example.com): every target is drained. 2 more rules have none either.",
    );
  });
});
