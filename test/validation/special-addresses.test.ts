import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveInstance } from "../../src/resolver/instance-address.ts";
import { type TargetGuard, targetRefusal } from "../../src/validation/target-guard.ts";
import { instanceFrom } from "../support/instances.ts";

interface SpecialCase {
  /** Of the special-purpose address registries of IANA, or of a cloud. */
  readonly block: string;
  readonly name: string;
  readonly addresses: readonly string[];
  /** `loopback`: refused unless that is allowed. */
  readonly verdict: "refused" | "loopback" | "allowed";
}

const file = join(import.meta.dirname, "../cases/addresses/special.json");
const cases = (JSON.parse(readFileSync(file, "utf8")) as readonly SpecialCase[]).flatMap(
  ({ block, name, addresses, verdict }) =>
    addresses.map((address) => ({ what: `${address} of ${block} (${name})`, address, verdict })),
);
const guard: TargetGuard = {
  deny: [],
  denyLocalPorts: [2019],
  allowLoopback: false,
  allow: [],
  localAddresses: () => ["10.0.0.1"],
};

describe("D11: special addresses", () => {
  it.each(cases)("$what: $verdict", ({ address, verdict }) => {
    const refused = (more: Partial<TargetGuard>) => targetRefusal(address, 80, { ...guard, ...more });
    expect(refused({}) !== undefined, String(refused({}))).toBe(verdict !== "allowed");
    const allowed = refused({ allowLoopback: true });
    expect(allowed !== undefined, String(allowed)).toBe(verdict === "refused");
    // An instance cannot have an address that is always refused. Loopback is for the guard to judge.
    const resolution = resolveInstance(instanceFrom({ name: "vm", ip: address }));
    expect(resolution.kind).toBe(verdict === "refused" ? "no_address" : "addresses");
  });

  it.each(["64:ff9b::10.0.0.1", "2002:a00:1::", "::10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"])(
    "%s is this machine where 10.0.0.1 is",
    (address) => {
      expect(targetRefusal(address, 2019, guard)).toBe("is a listener of Gatewright itself");
      expect(targetRefusal(address, 80, guard)).toBeUndefined();
      expect(targetRefusal(address, 80, { ...guard, deny: ["10.0.0.0/8"] })).toBe("is in a denied network");
    },
  );

  it("loopback that is allowed by range is allowed in each of its spellings", () => {
    for (const address of ["127.0.0.2", "::ffff:127.0.0.2", "64:ff9b::127.0.0.2"])
      expect(targetRefusal(address, 80, { ...guard, allow: ["127.0.0.2/32"] })).toBeUndefined();
  });
});
