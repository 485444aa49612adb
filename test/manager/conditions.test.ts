import { expect, it } from "vitest";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import { GatewrightError } from "../../src/errors.ts";
import { managerConditions } from "../../src/manager/conditions.ts";
import type { Ingress } from "../../src/model/api.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

interface World {
  readonly programmed?: boolean;
  readonly reasons?: readonly string[];
  readonly leftOut?: readonly number[];
  readonly settings?: Partial<CompilerSettings>;
}

function conditions(ingress: Ingress, world: World = {}) {
  const { programmed = true, reasons = [], leftOut = [], settings = {} } = world;
  const errors = leftOut.map(
    (port) => [port, new GatewrightError("port_in_use", `port ${port} is taken`)] as const,
  );
  const reconciler = { programmed, reasons: () => reasons, leftOut: new Map(errors) };
  return managerConditions(reconciler, compilerSettings(settings)).map((contributor) =>
    contributor(ingress, []),
  );
}

const edge = ingressOf("edge", { gateways: ["edge-1", "edge-2"] });
const twoPorts = ingressOf("ports", {
  rules: [ruleOf({ hostname: "a.test" }), ruleOf({ hostname: "a.test", port: 8080 })],
});

it("says that every stored ingress is accepted", () => {
  const [accepted] = conditions(edge, { programmed: false });
  expect(accepted).toMatchObject({ type: "Accepted", status: "True", reason: "Accepted" });
});

it.each<[string, string, string, Ingress, World]>([
  ["Programmed", "serves every rule", "all is well", ingressOf("a"), {}],
  [
    "Pending",
    "does not run the stored ingresses yet",
    "nothing was loaded yet",
    ingressOf("a"),
    { programmed: false },
  ],
  [
    "Pending",
    "caddy: starts",
    "Caddy does not start",
    ingressOf("a"),
    { programmed: false, reasons: ["caddy: starts"] },
  ],
  ["CaddyFails", "is silent", "Caddy fails", ingressOf("a"), { reasons: ["is silent", "and more"] }],
  [
    "PortUnavailable",
    "port 8080 is taken",
    "a port of its own is left out",
    twoPorts,
    { leftOut: [25, 8080] },
  ],
  ["Programmed", "serves every rule", "another port is left out", twoPorts, { leftOut: [25] }],
  ["Programmed", "serves every rule", "it names this gateway", edge, { settings: { gateway: "edge-2" } }],
  [
    "OtherGateway",
    "this one, edge-3.",
    "it names others",
    edge,
    { settings: { gateway: "edge-3" }, programmed: false },
  ],
  ["OtherGateway", "which has no GATEWAY_NAME", "this one has no name", edge, {}],
])("says %s (%s) where %s", (reason, message, _, ingress, world) => {
  const [, programmed] = conditions(ingress, world);
  expect(programmed).toEqual({
    type: "Programmed",
    status: reason === "Programmed" ? "True" : "False",
    reason,
    message: expect.stringContaining(message),
  });
});
