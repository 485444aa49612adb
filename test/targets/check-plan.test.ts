import { describe, expect, it } from "vitest";
import type { IngressRule } from "../../src/model/api.ts";
import { checkPlans } from "../../src/targets/check-plan.ts";

const active = (
  check: NonNullable<NonNullable<IngressRule["policies"]>["health_check"]>["active"],
): Pick<IngressRule, "policies"> => ({ policies: { health_check: { active: check ?? {} } } });

const rule = (more: Partial<IngressRule>): IngressRule => ({
  match: { hostname: "a.example.com", port: 80 },
  target: { instance: "vm", port: 8080 },
  tls: false,
  redirect_http: false,
  ...more,
});

const plansOf = (...rules: readonly IngressRule[]) =>
  checkPlans({ id: "i", name: "a", rules, created_at: "", updated_at: "" });

const defaults = {
  scheme: "http",
  path: "/",
  intervalMs: 10_000,
  timeoutMs: 2_000,
  healthyThreshold: 1,
  unhealthyThreshold: 2,
};

describe("the checks of an ingress", () => {
  it.each<[string, Partial<IngressRule>, object]>([
    ["are those of the docs by default", active({}), defaults],
    [
      "are as the rule wants them",
      active({
        path: "/up",
        host: "up.test",
        port: 9000,
        interval: "1m",
        timeout: "500ms",
        status: 204,
        healthy_threshold: 3,
        unhealthy_threshold: 4,
      }),
      {
        scheme: "http",
        path: "/up",
        host: "up.test",
        port: 9000,
        intervalMs: 60_000,
        timeoutMs: 500,
        status: 204,
        healthyThreshold: 3,
        unhealthyThreshold: 4,
      },
    ],
    [
      "speak what requests speak",
      { ...active({}), upstream: { scheme: "h2c" } },
      { ...defaults, scheme: "h2c" },
    ],
    [
      "show over TLS what requests show",
      { ...active({}), upstream: { scheme: "https", tls: { server_name: "vm.test", certificate: "c1" } } },
      { ...defaults, scheme: "https", serverName: "vm.test", certificate: "c1" },
    ],
    [
      "are connections of layer 4",
      { ...active({}), match: { hostname: "a.example.com", port: 25, protocol: "tcp" } },
      { ...defaults, scheme: "tcp" },
    ],
  ])("%s", (_, more, settings) => {
    const one = rule(more);
    expect(plansOf(one)).toEqual([{ rule: "i/0", targets: [one.target], settings }]);
  });

  it("are those of rules that ask for them, of targets that are known without a request", () => {
    const targets = [
      { instance: "{vm}", port: 1 },
      { instance: "vm-{vm}", port: 2 },
      { instance: "fixed", port: 3 },
      { service: "web", port: 4 },
      { address: "192.0.2.1", port: 5 },
    ];
    const { target: _, ...pool } = rule({
      ...active({}),
      match: { hostname: "{vm}.example.com", port: 80 },
      targets,
    });
    const plans = plansOf(rule({}), pool, rule({ policies: { health_check: {} } }));
    expect(plans.map(({ rule: id, targets: known }) => [id, known])).toEqual([["i/1", targets.slice(2)]]);
  });
});
