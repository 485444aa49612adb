import { expect, it } from "vitest";
import { explainText } from "../../src/cli/commands/explain.ts";
import type { Explanation } from "../../src/model/api.ts";

const found: Explanation = {
  outcome: "instance",
  reason: "served",
  message: "Ingress shop takes it.",
  ingress: { id: "a", name: "shop", rule: 0 },
  considered: [],
  policies: [],
  differences: [],
  conditions: [],
  targets: {
    policy: "round_robin",
    addresses: [{ name: "web-1", target: 0, address: "10.0.0.5:80", state: "ready", chosen: true }],
  },
};

it("tells of the last request that failed, since a rehearsal dials nobody", () => {
  const at = new Date(Date.now() - 65_000).toISOString();
  const last_failure = { at, cause: "refused", status: 502, target: "web-1", address: "10.0.0.5:80" };
  const [first, outcome, ...rest] = explainText({ ...found, last_failure }).split("\n");
  expect([first, outcome]).toEqual(["Ingress shop takes it.", "outcome  an instance gets it (served)"]);
  expect(rest.slice(-2)).toEqual([
    "failed   refused with 502, web-1 10.0.0.5:80, 1m ago: the last request of the rule that did",
    "hint     --connect tells whether the addresses take connections now",
  ]);
});

it("says which client it speaks of where that decides and none was given", () => {
  const access = { ...found, policies: [{ policy: "access", verdict: "passed" }] } as const;
  expect(explainText(access)).toContain("client   192.0.2.1 is assumed; --client-ip gives another");
  expect(explainText(access, "127.0.0.1")).not.toContain("assumed");
  expect(explainText(found)).not.toContain("assumed");
});

it("tells what came of connecting, and gives no hint to connect then", () => {
  const targets = {
    policy: "round_robin",
    addresses: [{ name: "web-1", target: 0, state: "ready", connection: "open" }],
  } as const;
  const last_failure = { at: new Date().toISOString(), cause: "reset" };
  const text = explainText({ ...found, targets, last_failure });
  expect(text).toContain("target   web-1 no address: ready, connection open\n");
  expect(text).not.toContain("--connect");
});
