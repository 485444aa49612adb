import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { normalizeRules, semanticProblems } from "../../../src/validation/ingress.ts";
import { schemaProblems } from "../../../src/validation/schema.ts";

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

const refused: readonly (readonly [what: string, parts: Parts, code: string, field: string])[] = [
  ["an unknown policy", { policies: { acess: {} } }, "unknown_key", "policies.acess"],
  ["policies that are no object", { policies: [] }, "wrong_type", "policies"],

  ["access without a list", { policies: { access: {} } }, "out_of_range", "policies.access"],
  ["an empty list", { policies: { access: { allow: [] } } }, "out_of_range", "policies.access.allow"],
  [
    "a network that is none",
    { policies: { access: { allow: ["10.0.0.0/33"] } } },
    "invalid_value",
    "policies.access.allow[0]",
  ],
  [
    "an address that is none",
    { policies: { access: { deny: ["10.0.0.1", "10.0.0"] } } },
    "invalid_value",
    "policies.access.deny[1]",
  ],
  [
    "an address with a zone",
    { policies: { access: { deny: ["fe80::1%eth0"] } } },
    "invalid_value",
    "policies.access.deny[0]",
  ],
  [
    "a hostname for a network",
    { policies: { access: { allow: ["office.example.com"] } } },
    "invalid_value",
    "policies.access.allow[0]",
  ],
  [
    "a placeholder for a network",
    { policies: { access: { allow: ["{env.NET}"] } } },
    "invalid_value",
    "policies.access.allow[0]",
  ],
  [
    "a misspelt key of access",
    { policies: { access: { alow: ["10.0.0.1"] } } },
    "unknown_key",
    "policies.access.alow",
  ],

  [
    "a rate limit without a rate",
    { policies: { rate_limit: { burst: 1 } } },
    "required",
    "policies.rate_limit.requests_per_second",
  ],
  [
    "a rate of 0",
    { policies: { rate_limit: { requests_per_second: 0 } } },
    "out_of_range",
    "policies.rate_limit.requests_per_second",
  ],
  [
    "a rate that is too high",
    { policies: { rate_limit: { requests_per_second: 1e6 } } },
    "out_of_range",
    "policies.rate_limit.requests_per_second",
  ],
  [
    "a rate that is text",
    { policies: { rate_limit: { requests_per_second: "10" } } },
    "wrong_type",
    "policies.rate_limit.requests_per_second",
  ],
  [
    "a burst of 0",
    { policies: { rate_limit: { requests_per_second: 1, burst: 0 } } },
    "out_of_range",
    "policies.rate_limit.burst",
  ],
  [
    "half a request",
    { policies: { rate_limit: { requests_per_second: 1, burst: 1.5 } } },
    "wrong_type",
    "policies.rate_limit.burst",
  ],
  [
    "an unknown key to count by",
    { policies: { rate_limit: { requests_per_second: 1, key: "user" } } },
    "invalid_value",
    "policies.rate_limit.key",
  ],
  [
    "a header to count by without a name",
    { policies: { rate_limit: { requests_per_second: 1, key: "header:" } } },
    "invalid_value",
    "policies.rate_limit.key",
  ],
  [
    "a placeholder to count by",
    { policies: { rate_limit: { requests_per_second: 1, key: "header:{x}" } } },
    "invalid_value",
    "policies.rate_limit.key",
  ],
  [
    "exempt networks that are none",
    { policies: { rate_limit: { requests_per_second: 1, exempt: ["all"] } } },
    "invalid_value",
    "policies.rate_limit.exempt[0]",
  ],

  [
    "a burst that takes much memory for each client",
    { policies: { rate_limit: { requests_per_second: 1, burst: 10_001 } } },
    "out_of_range",
    "policies.rate_limit.burst",
  ],
  [
    "a rate whose second is such a burst",
    { policies: { rate_limit: { requests_per_second: 20_000, key: "header:X-Api-Key" } } },
    "out_of_range",
    "policies.rate_limit.requests_per_second",
  ],

  [
    "basic auth without users",
    { policies: { basic_auth: { users: {} } } },
    "out_of_range",
    "policies.basic_auth.users",
  ],
  [
    "a password instead of a hash",
    { policies: { basic_auth: { users: { ann: "open sesame" } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "an MD5 hash",
    { policies: { basic_auth: { users: { ann: "$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00" } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "a bcrypt hash that is cut off",
    { policies: { basic_auth: { users: { ann: bcrypt.slice(0, -1) } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "a bcrypt hash that takes minutes",
    { policies: { basic_auth: { users: { ann: bcrypt.replace("$10$", "$20$") } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "an argon2id hash that takes all memory",
    { policies: { basic_auth: { users: { ann: argon2id.replace("m=8192", "m=4000000") } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "argon2i",
    { policies: { basic_auth: { users: { ann: argon2id.replace("argon2id", "argon2i") } } } },
    "invalid_value",
    'policies.basic_auth.users["ann"]',
  ],
  [
    "hashes of two kinds",
    { policies: { basic_auth: { users: { ann: bcrypt, bob: argon2id } } } },
    "invalid_value",
    "policies.basic_auth.users",
  ],
  [
    "a user name with a colon",
    { policies: { basic_auth: { users: { "a:b": bcrypt } } } },
    "invalid_value",
    'policies.basic_auth.users["a:b"]',
  ],

  ["forward auth without a URL", { policies: { forward_auth: {} } }, "required", "policies.forward_auth.url"],
  [
    "a URL of another scheme",
    { policies: { forward_auth: { url: "ftp://a.example.com/" } } },
    "invalid_value",
    "policies.forward_auth.url",
  ],
  [
    "a URL without a scheme",
    { policies: { forward_auth: { url: "auth.example.com" } } },
    "invalid_value",
    "policies.forward_auth.url",
  ],
  [
    "a URL with a password",
    { policies: { forward_auth: { url: "http://a:b@auth.example.com/" } } },
    "invalid_value",
    "policies.forward_auth.url",
  ],
  [
    "a URL with a placeholder",
    { policies: { forward_auth: { url: "http://a.example.com/{env.HOME}" } } },
    "invalid_value",
    "policies.forward_auth.url",
  ],
  [
    "a URL with a fragment",
    { policies: { forward_auth: { url: "http://a.example.com/#x" } } },
    "invalid_value",
    "policies.forward_auth.url",
  ],
  [
    "a header to copy that is none",
    { policies: { forward_auth: { url: "http://a.example.com", copy_headers: ["Remote User"] } } },
    "invalid_value",
    "policies.forward_auth.copy_headers[0]",
  ],
  [
    "a wildcard to copy",
    { policies: { forward_auth: { url: "http://a.example.com", copy_headers: ["X-*"] } } },
    "invalid_value",
    "policies.forward_auth.copy_headers[0]",
  ],
  [
    "a header of the connection to copy",
    { policies: { forward_auth: { url: "http://a.example.com", copy_headers: ["Upgrade"] } } },
    "invalid_value",
    "policies.forward_auth.copy_headers[0]",
  ],
  [
    "a timeout that is none",
    { policies: { forward_auth: { url: "http://a.example.com", timeout: "10" } } },
    "invalid_value",
    "policies.forward_auth.timeout",
  ],

  ["headers without a side", { policies: { headers: {} } }, "out_of_range", "policies.headers"],
  [
    "headers without a change",
    { policies: { headers: { request: {} } } },
    "out_of_range",
    "policies.headers.request",
  ],
  [
    "a header name that is none",
    { policies: { headers: { request: { set: { "X A": "1" } } } } },
    "invalid_value",
    'policies.headers.request.set["X A"]',
  ],
  [
    "a header name with a placeholder",
    { policies: { headers: { request: { set: { "{env.HOME}": "1" } } } } },
    "invalid_value",
    'policies.headers.request.set["{env.HOME}"]',
  ],
  [
    "a wildcard to remove",
    { policies: { headers: { response: { remove: ["*"] } } } },
    "invalid_value",
    "policies.headers.response.remove[0]",
  ],
  [
    "the Host header",
    { policies: { headers: { request: { set: { Host: "x" } } } } },
    "invalid_value",
    'policies.headers.request.set["Host"]',
  ],
  [
    "a header of the connection",
    { policies: { headers: { response: { set: { "Transfer-Encoding": "x" } } } } },
    "invalid_value",
    'policies.headers.response.set["Transfer-Encoding"]',
  ],
  [
    "a value with a line break",
    { policies: { headers: { response: { set: { "X-A": "a\r\nX-B: b" } } } } },
    "invalid_value",
    'policies.headers.response.set["X-A"]',
  ],
  [
    "a value that is no text",
    { policies: { headers: { response: { set: { "X-A": 1 } } } } },
    "wrong_type",
    'policies.headers.response.set["X-A"]',
  ],
  [
    "a header that is named twice",
    { policies: { headers: { response: { set: { "X-A": "1" }, remove: ["x-a"] } } } },
    "invalid_value",
    "policies.headers.response.remove[0]",
  ],

  [
    "two rewrites",
    { policies: { rewrite: { strip_prefix: "/a", replace_path: "/b" } } },
    "out_of_range",
    "policies.rewrite",
  ],
  ["no rewrite", { policies: { rewrite: {} } }, "out_of_range", "policies.rewrite"],
  [
    "a relative path",
    { policies: { rewrite: { strip_prefix: "api" } } },
    "invalid_path",
    "policies.rewrite.strip_prefix",
  ],
  [
    "a path with a placeholder",
    { policies: { rewrite: { replace_path: "/{env.HOME}" } } },
    "invalid_path",
    "policies.rewrite.replace_path",
  ],
  [
    "a path with a query",
    { policies: { rewrite: { replace_path: "/a?b" } } },
    "invalid_path",
    "policies.rewrite.replace_path",
  ],
  [
    "stripping /",
    { policies: { rewrite: { strip_prefix: "/" } } },
    "invalid_path",
    "policies.rewrite.strip_prefix",
  ],
  [
    "another prefix for an exact path",
    { policies: { rewrite: { replace_prefix: "/b" } }, match: { path: { type: "exact", value: "/a" } } },
    "invalid_value",
    "policies.rewrite.replace_prefix",
  ],

  ["timeouts without one", { policies: { timeouts: {} } }, "out_of_range", "policies.timeouts"],
  [
    "a timeout without a unit",
    { policies: { timeouts: { connect: "3" } } },
    "invalid_value",
    "policies.timeouts.connect",
  ],
  [
    "a timeout of 0",
    { policies: { timeouts: { response_header: "0s" } } },
    "invalid_value",
    "policies.timeouts.response_header",
  ],
  [
    "a timeout of days",
    { policies: { timeouts: { response_header: "48h" } } },
    "invalid_value",
    "policies.timeouts.response_header",
  ],
  [
    "a timeout that cuts streams",
    { policies: { timeouts: { write: "3s" } } },
    "unknown_key",
    "policies.timeouts.write",
  ],

  [
    "a body size without sense",
    { policies: { max_request_body: "big" } },
    "invalid_value",
    "policies.max_request_body",
  ],
  [
    "a body size of 0",
    { policies: { max_request_body: "0MB" } },
    "invalid_value",
    "policies.max_request_body",
  ],
  [
    "a body size that is a number",
    { policies: { max_request_body: 1000 } },
    "wrong_type",
    "policies.max_request_body",
  ],
  ["a compression that is named", { policies: { compress: "gzip" } }, "wrong_type", "policies.compress"],

  ["maintenance as a flag", { policies: { maintenance: true } }, "wrong_type", "policies.maintenance"],
  [
    "an empty message",
    { policies: { maintenance: { message: "" } } },
    "out_of_range",
    "policies.maintenance.message",
  ],
  [
    "exempt from maintenance nobody",
    { policies: { maintenance: { exempt: ["me"] } } },
    "invalid_value",
    "policies.maintenance.exempt[0]",
  ],

  [
    "a page for 200",
    { policies: { error_pages: { "200": "x" } } },
    "invalid_value",
    'policies.error_pages["200"]',
  ],
  [
    "a page for a word",
    { policies: { error_pages: { all: "x" } } },
    "invalid_value",
    'policies.error_pages["all"]',
  ],
  [
    "an empty page",
    { policies: { error_pages: { "502": "" } } },
    "out_of_range",
    "policies.error_pages[502]",
  ],
  [
    "a page that is too long",
    { policies: { error_pages: { "502": "x".repeat(65_537) } } },
    "out_of_range",
    "policies.error_pages[502]",
  ],

  ["another scheme", { upstream: { scheme: "ws" } }, "invalid_value", "upstream.scheme"],
  ["an empty upstream", { upstream: {} }, "out_of_range", "upstream"],
  [
    "another PROXY protocol",
    { upstream: { proxy_protocol: "v3" } },
    "invalid_value",
    "upstream.proxy_protocol",
  ],
  [
    "PROXY protocol over h2c",
    { upstream: { scheme: "h2c", proxy_protocol: "v2" } },
    "invalid_value",
    "upstream.proxy_protocol",
  ],
  [
    "a Host that is a URL",
    { upstream: { host_header: "http://a.example.com" } },
    "invalid_value",
    "upstream.host_header",
  ],
  [
    "a Host with a placeholder",
    { upstream: { host_header: "{env.HOME}" } },
    "invalid_value",
    "upstream.host_header",
  ],
  [
    "a Host with port 0",
    { upstream: { host_header: "a.example.com:0" } },
    "invalid_value",
    "upstream.host_header",
  ],
];

describe("policies", () => {
  it.each(refused)("refuse %s", (_what, parts, code, field) => {
    const problems = problemsOf(parts);
    expect(problems.map((problem) => [problem.code, problem.field])).toEqual([[code, field]]);
    expect(problems[0]?.message).toMatch(/\w{3}/);
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
