import { expect, it } from "vitest";
import { endText } from "../../src/cli/words.ts";

it("an end that is near is told with its time, since today's date looks like one that has passed", () => {
  const now = Date.parse("2026-11-21T00:20:00Z");
  expect(endText("2026-11-21T12:19:53.000Z", now)).toBe("2026-11-21 12:19 UTC");
  expect(endText("2027-01-02T12:19:53.000Z", now)).toBe("2027-01-02");
});
