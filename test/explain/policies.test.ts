import { expect, it } from "vitest";
import { policyVerdicts } from "../../src/explain/policies.ts";

it("tells of each policy once, and of none that lets everybody pass", () => {
  const steps = [
    { handler: "subroute", verdict: "passed", network: "10.0.0.0/8" },
    { handler: "gatewright_limit_key", verdict: "passed" },
    {
      handler: "rate_limit",
      verdict: "refused",
      status: 429,
      limit: { used: 2, events: 2, window_seconds: 1 },
    },
  ] as const;
  const named = ["access", "rate_limit", "rate_limit", "always", "proxy"];
  expect(policyVerdicts(steps, named)).toEqual([
    { policy: "access", verdict: "passed", network: "10.0.0.0/8" },
    {
      policy: "rate_limit",
      verdict: "refused",
      status: 429,
      limit: { used: 2, events: 2, window_seconds: 1 },
    },
  ]);
  const rest = [
    { handler: "gatewright_forwarded", verdict: "passed" },
    { handler: "reverse_proxy", verdict: "passed" },
  ] as const;
  expect(policyVerdicts(rest, ["always", "proxy"])).toEqual([]);
  // Handlers of no stored rule are told by their own names.
  expect(policyVerdicts(rest, undefined).map(({ policy }) => policy)).toEqual([
    "gatewright_forwarded",
    "reverse_proxy",
  ]);
});
