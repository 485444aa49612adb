import { afterEach, describe, expect, it } from "vitest";
import type { CheckSettings } from "../../src/targets/check-plan.ts";
import { Checker, type Health } from "../../src/targets/checker.ts";
import { until } from "../support/until.ts";

const settings: CheckSettings = {
  scheme: "http",
  path: "/",
  intervalMs: 5,
  timeoutMs: 100,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
};
const target = { ip: "127.0.0.1", port: 80 };
const checkers: Checker[] = [];
afterEach(() => {
  for (const checker of checkers.splice(0)) checker.stop();
});

/**
 * A checker whose checks find what the script says, one after another; the last goes on. `changes` tells the number of
 * the check that each change came with.
 */
function scripted(...script: readonly boolean[]): {
  checker: Checker;
  changes: [health: Health, check: number][];
  checks: () => number;
} {
  const changes: [health: Health, check: number][] = [];
  let checks = 0;
  const checker = new Checker({
    target,
    settings,
    check: async () => {
      const well = script[Math.min(checks, script.length - 1)] === true;
      checks += 1;
      return well ? undefined : "status 500";
    },
    changed: ({ health }) => changes.push([health, checks]),
  });
  checkers.push(checker);
  return { checker, changes, checks: () => checks };
}

describe("a checker", () => {
  it("decides by its first check", async () => {
    const unhealthy = scripted(false);
    expect(unhealthy.checker.state.health).toBe("unknown");
    await unhealthy.checker.firstCheck;
    expect(unhealthy.checker.state).toMatchObject({ health: "unhealthy", message: "status 500" });
    const well = scripted(true);
    await well.checker.firstCheck;
    expect(well.checker.state.health).toBe("healthy");
    expect(well.checker.state.message).toBeUndefined();
  });

  it("turns only after as many checks in a row as the thresholds say", async () => {
    const { changes, checks } = scripted(
      true,
      false,
      false,
      true,
      false,
      false,
      false,
      true,
      false,
      true,
      true,
      true,
    );
    await until(() => checks() >= 12);
    expect(changes).toEqual([
      ["healthy", 1],
      ["unhealthy", 7],
      ["healthy", 11],
    ]);
  });

  it("tells the last failure while it is still healthy, and since when it is", async () => {
    const { checker, checks } = scripted(true, false, true, false);
    await checker.firstCheck;
    const { since } = checker.state;
    await until(() => checks() >= 2);
    expect(checker.state.since).toBe(since);
  });

  it("makes no check after its end, and ends the one that is under way, whose result does not count", async () => {
    let checks = 0;
    const checker = new Checker({
      target,
      settings,
      check: (_target, _settings, ending) => {
        checks += 1;
        return new Promise((resolve) => ending.addEventListener("abort", () => resolve(undefined)));
      },
      changed: () => expect.unreachable(),
    });
    checker.stop();
    await checker.firstCheck;
    expect([checker.state.health, checks]).toEqual(["unknown", 1]);
  });
});
