import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../src/model/api.ts";
import { refusal, semanticProblems } from "../../src/validation/ingress.ts";

const secret = "DO_NOT_EXPOSE";

/** A rule in which everything else is wrong too, so that every message is made. */
function ruleWith(auth: { readonly header: string; readonly value: string }): IngressRuleInput {
  return {
    match: {
      hostname: "a..b",
      port: -1,
      path: { type: "exact", value: "x" },
      methods: ["G T"],
      headers: { "X-Key": `${secret}\n` },
    },
    target: { instance: "", port: 0 },
    redirect_http: true,
    request_header_auth: auth,
  };
}

describe("secrets", () => {
  it.each([
    { header: "X-Key", value: secret },
    { header: "X-Key", value: `${secret}${"a".repeat(300)}` },
    { header: "X-Key", value: `${"a".repeat(32)}\n${secret}` },
    { header: "Host", value: `${"a".repeat(32)}${secret}*` },
    { header: `${secret} with spaces`, value: "short" },
  ])("stay out of every problem: %j", (auth) => {
    const problems = semanticProblems({ name: "-", rules: [ruleWith(auth)] });
    expect(problems.length).toBeGreaterThan(6);
    const error = refusal(problems);
    expect(JSON.stringify([error.message, error.details, error.stack])).not.toContain(secret);
  });
});
