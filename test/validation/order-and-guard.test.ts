import type { ErrorObject } from "ajv";
import { describe, expect, it } from "vitest";
import { compareErrors } from "../../src/validation/schema-problem.ts";
import { type TargetGuard, targetRefusal } from "../../src/validation/target-guard.ts";

describe("the order of schema errors", () => {
  const error = (instancePath: string, missingProperty?: string): ErrorObject => ({
    instancePath,
    keyword: missingProperty === undefined ? "type" : "required",
    schemaPath: "",
    params: missingProperty === undefined ? {} : { missingProperty },
  });

  it.each<[what: string, ordered: readonly ErrorObject[]]>([
    [
      "numbers of items count",
      [error("/rules/2"), error("/rules/9"), error("/rules/10"), error("/rules/100")],
    ],
    ["keys are in alphabetical order", [error("/name"), error("/rules"), error("/tags")]],
    [
      "keys that begin or end as numbers are texts",
      [error("/10a"), error("/2a"), error("/a10"), error("/a2")],
    ],
    ["numbers beside texts are texts", [error("/10"), error("/2x"), error("/a")]],
    ["the whole comes before its parts", [error("/rules"), error("/rules/0"), error("/rules/0/match")]],
    [
      "what is missing comes last",
      [error("/rules/0/tls"), error("/rules/0", "match"), error("/rules/1/tls")],
    ],
  ])("%s", (_what, ordered) => {
    expect([...ordered].reverse().sort(compareErrors)).toEqual(ordered);
    expect([...ordered].sort(compareErrors)).toEqual(ordered);
  });
});

describe("the target guard", () => {
  const guard: TargetGuard = {
    deny: ["198.51.100.0/24"],
    denyLocalPorts: [2019],
    allowLoopback: false,
    allow: ["127.0.0.8/32"],
    localAddresses: () => ["10.0.0.1", "2001:db8::1", "nonsense"],
  };

  it.each([
    ["192.0.2.1", 80, undefined],
    ["198.51.100.7", 80, "is in a denied network"],
    ["127.0.0.1", 80, "is loopback; add it to TARGET_ALLOW_CIDRS to allow it"],
    ["127.0.0.8", 80, undefined],
    ["127.0.0.8", 2019, "is a listener of Gatewright itself"],
    ["10.0.0.1", 2019, "is a listener of Gatewright itself"],
    ["2001:DB8:0::1", 2019, "is a listener of Gatewright itself"],
    ["10.0.0.2", 2019, undefined],
    ["10.0.0.1", 80, undefined],
    ["web", 80, "is not an IP address"],
  ])("%s port %s: %s", (ip, port, refusal) => {
    expect(targetRefusal(ip, port, guard)).toBe(refusal);
  });

  it("lets loopback through where the setting does, but never to Gatewright's own listeners", () => {
    expect(targetRefusal("127.0.0.1", 80, { ...guard, allowLoopback: true })).toBeUndefined();
    expect(targetRefusal("127.0.0.1", 2019, { ...guard, allowLoopback: true })).toBe(
      "is a listener of Gatewright itself",
    );
  });
});
