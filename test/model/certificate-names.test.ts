import { describe, expect, it } from "vitest";
import { coversName } from "../../src/model/certificate-names.ts";

describe("names on a certificate", () => {
  it.each([
    ["shop.example.com", true],
    ["www.example.com", true],
    ["*.example.com", true],
    ["example.com", false],
    ["a.b.example.com", false],
    ["*.*.example.com", false],
    ["com", false],
  ])("cover %s: %s", (host, covered) => {
    expect(coversName(["shop.example.com", "*.Example.com"], host)).toBe(covered);
  });
});
