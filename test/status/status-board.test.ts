import { describe, expect, it } from "vitest";
import type { Condition, Ingress } from "../../src/model/api.ts";
import { StatusBoard } from "../../src/status/status-board.ts";

const ingress: Ingress = {
  id: "a",
  name: "a",
  rules: [],
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-02T00:00:00.000Z",
};

describe("the status board", () => {
  it("says since when each condition has its status", async () => {
    let now = Date.parse("2026-02-01T00:00:00Z");
    let status: Condition["status"] = "True";
    let reason = "Good";
    const board = new StatusBoard({
      contributors: [() => ({ type: "Ready", status, reason, message: "" }), () => undefined],
      rules: () => [],
      now: () => new Date(now),
    });
    const since = async () => (await board.statusOf(ingress)).conditions[0]?.last_transition_time;
    // True as long as anybody can tell: since the last change of the document.
    expect(await since()).toBe(ingress.updated_at);
    reason = "Better";
    expect(await since()).toBe(ingress.updated_at);
    status = "False";
    expect(await since()).toBe("2026-02-01T00:00:00.000Z");
    now += 60_000;
    expect(await since()).toBe("2026-02-01T00:00:00.000Z");
    status = "True";
    expect(await since()).toBe("2026-02-01T00:01:00.000Z");
  });

  it("shows contributors the targets, and lists conditions in their order", async () => {
    const rule = { hostname: "a.example.com", port: 80, targets: [] };
    const board = new StatusBoard({
      contributors: [
        (_ingress, rules) => ({ type: "One", status: "False", reason: "R", message: String(rules.length) }),
        () => ({ type: "Two", status: "Unknown", reason: "R", message: "" }),
      ],
      rules: async () => [rule],
    });
    const found = await board.statusOf(ingress);
    expect(found).toMatchObject({
      id: "a",
      name: "a",
      rules: [rule],
      conditions: [{ type: "One", message: "1" }, { type: "Two" }],
    });
  });
});
