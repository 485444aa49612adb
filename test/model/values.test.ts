import { describe, expect, it } from "vitest";
import type { IngressPath } from "../../src/model/api.ts";
import { byteSize } from "../../src/model/byte-size.ts";
import { durationMs } from "../../src/model/duration.ts";
import { makeId } from "../../src/model/id.ts";
import { takesEveryPath } from "../../src/model/precedence.ts";
import { quote, ruleField, ruleIndexOf } from "../../src/model/wording.ts";

it.each<[string, number | undefined]>([
  ["1", 1],
  ["512KB", 512_000],
  ["10MB", 10_000_000],
  ["2GB", 2_000_000_000],
  ["1KiB", 1_024],
  ["1mib", 1_048_576],
  ["1.5GiB", 1_610_612_736],
  ["7 B", 7],
  ["1.999", 1],
  ["0.001KB", 1],
  ["999999999999", 999_999_999_999],
  ["0", undefined],
  ["0.5", undefined],
  ["", undefined],
  ["KB", undefined],
  ["-1", undefined],
  ["1.KB", undefined],
  ["1.0001KB", undefined],
  ["1  KB", undefined],
  ["1TB", undefined],
  ["1KBs", undefined],
  [" 1", undefined],
  ["1000000000000", undefined],
  ["999999999999GiB", undefined],
])("%j is a size of %s bytes", (text, bytes) => {
  expect(byteSize(text)).toBe(bytes);
});

it.each<[string, number | undefined]>([
  ["1ms", 1],
  ["10s", 10_000],
  ["1m30s", 90_000],
  ["1h1m1s1ms", 3_661_001],
  ["1.5s", 1_500],
  ["0.5ms", 1],
  ["0s1ms", 1],
  ["1.0004s", undefined],
  ["0s", undefined],
  ["0.4ms", undefined],
  ["", undefined],
  ["10", undefined],
  ["s", undefined],
  ["-1s", undefined],
  ["1 s", undefined],
  ["1d", undefined],
  ["1s1", undefined],
  ["x1s", undefined],
  ["1234567890s", undefined],
  ["123456789s", 123_456_789_000],
])("%j is a duration of %s ms", (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

describe("words of messages", () => {
  it("quote what users wrote, and cut it", () => {
    expect(quote('a "b"')).toBe('"a \\"b\\""');
    expect(quote("x".repeat(80))).toBe(`"${"x".repeat(80)}"`);
    expect(quote("x".repeat(81))).toBe(`"${"x".repeat(80)}…"`);
  });

  it("name the rule of a field", () => {
    expect(ruleField(12, "match.port")).toBe("rules[12].match.port");
    expect([ruleIndexOf("rules[12].match.port"), ruleIndexOf("rules[0]")]).toEqual([12, 0]);
    for (const field of [undefined, "", "name", "rules", "rules[]", "rules[x]", "x.rules[1]"])
      expect(ruleIndexOf(field)).toBeUndefined();
  });
});

it("ids are a letter and 23 letters or digits, and no two are equal", () => {
  const ids = Array.from({ length: 500 }, makeId);
  for (const id of ids) expect(id).toMatch(/^[a-z][a-z0-9]{23}$/);
  expect(new Set(ids).size).toBe(500);
});

it.each<[IngressPath | undefined, boolean]>([
  [undefined, true],
  [{ type: "prefix", value: "/" }, true],
  [{ type: "exact", value: "/" }, false],
  [{ type: "prefix", value: "/a" }, false],
])("whether %j takes every path: %s", (path, every) => {
  expect(takesEveryPath(path)).toBe(every);
});
