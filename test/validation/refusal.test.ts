import { describe, expect, it } from "vitest";
import type { Problem } from "../../src/errors.ts";
import { refusal } from "../../src/validation/ingress.ts";

describe("refusal", () => {
  const semantic: Problem = { code: "out_of_range", field: "rules[0].match.port", message: "too large" };
  const claimed: Problem = { code: "hostname_in_use", field: "rules[0].match.hostname", message: "taken" };

  it("is a bad request in hypeman's words when the document itself comes first", () => {
    const error = refusal([semantic, claimed]);
    expect([error.code, error.message, error.details]).toEqual([
      "bad_request",
      "invalid request: too large",
      [semantic, claimed],
    ]);
  });

  it("has the code and message of a first problem of another kind", () => {
    const error = refusal([claimed, semantic]);
    expect([error.code, error.message, error.details]).toEqual([
      "hostname_in_use",
      "taken",
      [claimed, semantic],
    ]);
  });

  it("counts the problems that it does not list", () => {
    const { details } = refusal(Array.from({ length: 1_000 }, () => semantic));
    expect(details).toHaveLength(201);
    expect(details.at(-1)?.message).toBe("800 more problems are not listed: mend these first");
  });

  it("is never made of nothing", () => {
    expect(() => refusal([])).toThrow(RangeError);
  });
});
