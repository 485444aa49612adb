import { describe, expect, it } from "vitest";
import { coveringWildcard, isDomainAllowed } from "../../src/model/allowed-domains.ts";

describe("isDomainAllowed", () => {
  const list = ["example.com", " *.Example.net ", "", "*.deep.example.org"];

  it.each([
    ["example.com", true],
    ["EXAMPLE.com", true],
    ["www.example.com", false],
    // What is left of an exact name after two characters is no suffix.
    ["www.ample.com", false],
    ["shop.example.net", true],
    ["Shop.Example.NET", true],
    ["example.net", false],
    ["a.shop.example.net", false],
    ["{vm}.example.net", true],
    ["{vm}.example.com", false],
    ["a.deep.example.org", true],
    ["deep.example.org", false],
    ["org", false],
    ["*", false],
  ])("%s: %s", (hostname, allowed) => {
    expect(isDomainAllowed(hostname, list)).toBe(allowed);
    // A list is read once.
    expect(isDomainAllowed(hostname, list)).toBe(allowed);
  });

  it("is everything for *, and nothing for an empty list", () => {
    expect(isDomainAllowed("any.where.test", ["*"])).toBe(true);
    expect(isDomainAllowed("any.where.test", [])).toBe(false);
    expect(isDomainAllowed("any.where.test", [" "])).toBe(false);
  });
});

describe("coveringWildcard", () => {
  it.each([
    ["shop.example.net", "*.example.net"],
    ["example.net", undefined],
    ["a.shop.example.net", undefined],
    ["www.example.com", undefined],
    ["net", undefined],
  ])("of %s is %s", (name, wildcard) => {
    expect(coveringWildcard(name, ["example.com", "*.example.net"])).toBe(wildcard);
  });
});
