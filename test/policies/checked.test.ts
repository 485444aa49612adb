import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../src/model/api.ts";
import { normalizeRules, semanticProblems } from "../../src/validation/ingress.ts";
import cases from "../cases/policies/refused.json" with { type: "json" };
import { schemaProblems } from "../support/schema-problems.ts";

const bcrypt = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const argon2id =
  "$argon2id$v=19$m=8192,t=1,p=1$RdJkGIQPjnPRc8D4FhJJag$oSBJGdhVyOICvcvLkyRwO1fd83ybw/9fSJUeH77vN+c";

interface Parts {
  readonly policies?: object;
  readonly upstream?: object;
  readonly match?: object;
}

function ruleOf({ match, ...parts }: Parts): IngressRuleInput {
  const rule = {
    match: { hostname: "a.example.com", ...match },
    target: { instance: "vm", port: 80 },
    ...parts,
  };
  return rule as IngressRuleInput;
}

/** Codes and fields of all problems: of the schema, or beyond it where the schema is met. */
function problemsOf(parts: Parts): { code: string; field: string | undefined; message: string }[] {
  const request = { name: "a", rules: [ruleOf(parts)] };
  const schema = schemaProblems("CreateIngressRequest", request);
  const found = schema.length > 0 ? schema : semanticProblems(request);
  return found.map(({ code, field, message }) => ({ code, field: field?.replace("rules[0].", ""), message }));
}

/** What no rule may say, a wrong value each; `test/cases/policies/refused.json`. */
const refused = cases as readonly (Parts & {
  readonly what: string;
  readonly code: string;
  readonly field: string;
})[];

describe("policies", () => {
  it.each(refused)("refuse $what", ({ what: _, code, field, ...parts }) => {
    const problems = problemsOf(parts);
    expect(problems.map((problem) => [problem.code, problem.field])).toEqual([[code, field]]);
    expect(problems[0]?.message).toMatch(/\w{3}/);
  });

  it("refuse a page that is too long", () => {
    const [problem, ...more] = problemsOf({ policies: { error_pages: { 502: "x".repeat(65_537) } } });
    expect([problem?.code, problem?.field, more]).toEqual(["out_of_range", "policies.error_pages[502]", []]);
  });

  it("report every problem at once", () => {
    const policies = {
      access: { allow: ["x"], deny: ["y"] },
      rewrite: { strip_prefix: "api" },
      timeouts: { connect: "3" },
    };
    expect(problemsOf({ policies, upstream: { host_header: "a b" } }).map(({ field }) => field)).toEqual([
      "upstream.host_header",
      "policies.access.allow[0]",
      "policies.access.deny[0]",
      "policies.rewrite.strip_prefix",
      "policies.timeouts.connect",
    ]);
  });

  it("never repeat a password, a header's value or a URL's query", () => {
    const secret = "DO_NOT_EXPOSE";
    const problems = problemsOf({
      policies: {
        basic_auth: { users: { ann: secret } },
        forward_auth: { url: `http://a.example.com/?key=${secret}#x` },
        headers: { request: { set: { "X-Key": `${secret}\n` } } },
      },
    });
    expect(problems).toHaveLength(3);
    expect(JSON.stringify(problems)).not.toContain(secret);
  });

  it.each<[string, Parts]>([
    [
      "bcrypt of all makes",
      {
        policies: {
          basic_auth: {
            users: { a: bcrypt, b: bcrypt.replace("$2a", "$2y"), c: bcrypt.replace("$2a", "$2b") },
          },
        },
      },
    ],
    ["argon2id", { policies: { basic_auth: { users: { "{ann}": argon2id } } } }],
    [
      "networks of both families",
      { policies: { access: { allow: ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "0.0.0.0/0"] } } },
    ],
    ["sizes", { policies: { max_request_body: "1.5 GiB" } }],
    [
      "braces in values",
      {
        policies: {
          headers: { request: { set: { "X-A": "{env.HOME}" } } },
          error_pages: { "5xx": "{x}" },
          maintenance: { message: "{x}" },
        },
      },
    ],
    ["an IPv6 host", { upstream: { host_header: "[2001:db8::1]:8443" } }],
    [
      "a forward auth by address",
      { policies: { forward_auth: { url: "http://[2001:db8::1]:9091/verify?x=%7B" } } },
    ],
  ])("take %s", (_what, parts) => {
    expect(problemsOf(parts)).toEqual([]);
  });
});

describe("normalised policies", () => {
  const normalize = (policies: object, match = {}): unknown =>
    normalizeRules({ name: "a", rules: [ruleOf({ policies, match })] }, { httpPort: 80, httpsPort: 443 })[0]
      ?.policies;

  it("have networks and paths in their one form", () => {
    const policies = {
      access: {
        allow: ["10.1.2.3/8", "10.0.0.0/8", "2001:DB8:0:0::1/32", "192.0.2.1/32", "::ffff:192.0.2.0/120"],
      },
      rewrite: { strip_prefix: "/%61pi//v1/" },
    };
    expect(normalize(policies)).toEqual({
      access: { allow: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "192.0.2.0/24"] },
      rewrite: { strip_prefix: "/api/v1" },
    });
  });

  it("are left out when there are none", () => {
    expect(normalize({})).toBeUndefined();
  });

  it("stay as they are when normalised again", () => {
    const once = normalize({
      access: { deny: ["10.1.2.3/8"] },
      rewrite: { replace_path: "/a/../b c" },
      compress: false,
    });
    expect(normalize(once as object)).toEqual(once);
  });
});
