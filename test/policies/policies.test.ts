import { describe, expect, it } from "vitest";
import type { IngressRule } from "../../src/model/api.ts";
import { normalizePolicies } from "../../src/policies/index.ts";
import { Report } from "../../src/policies/report.ts";
import { handlersOf, policyOf, problemsOf, rule } from "./subject.ts";

describe("a report", () => {
  it("names the field by what it is within, and the part", () => {
    const whole = new Report(2, "policies.access");
    whole.refuse("allow[0]", "why");
    whole.refuse("[5]", "why");
    whole.refuse("", "why", "out_of_range");
    whole.refuseAsWhole("deny", "the deny is wrong");
    expect(whole.problems).toEqual([
      {
        code: "invalid_value",
        field: "rules[2].policies.access.allow[0]",
        message: "invalid policies.access.allow[0] in rule 2: why",
      },
      {
        code: "invalid_value",
        field: "rules[2].policies.access[5]",
        message: "invalid policies.access[5] in rule 2: why",
      },
      {
        code: "out_of_range",
        field: "rules[2].policies.access",
        message: "invalid policies.access in rule 2: why",
      },
      {
        code: "invalid_value",
        field: "rules[2].policies.access.deny",
        message: "invalid policies.access in rule 2: the deny is wrong",
      },
    ]);
    const plain = new Report(0);
    plain.refuse("tls", "why");
    expect(plain.problems).toMatchObject([{ field: "rules[0].tls", message: "invalid tls in rule 0: why" }]);
  });
});

describe("access", () => {
  it("asks deny first, and has networks in one form in both lists", () => {
    const { normalize } = policyOf("access");
    const value = { allow: ["10.1.2.3/8", "10.0.0.0/8"], deny: ["192.0.2.7/24"] };
    expect(normalize?.(value)).toEqual({ allow: ["10.0.0.0/8"], deny: ["192.0.2.0/24"] });
    expect(handlersOf("access", { allow: ["10.0.0.0/8"], deny: ["192.0.2.1", "10.9.0.0/16"] })).toMatchObject(
      [
        {
          routes: [
            {
              match: [
                {
                  client_ip: {
                    ranges: ["10.9.0.0/16", "192.0.2.1", "::ffff:10.9.0.0/112", "::ffff:192.0.2.1/128"],
                  },
                },
              ],
            },
            { match: [{ not: [{ client_ip: { ranges: ["10.0.0.0/8", "::ffff:10.0.0.0/104"] } }] }] },
          ],
        },
      ],
    );
  });

  it.each([
    ["10.0.0.0/8/8", undefined],
    ["10.0.0.0/", undefined],
    ["10.0.0.0/8x", undefined],
    ["10.0.0.0/x8", undefined],
    ["10.0.0.0/0008", undefined],
    ["10.0.0.0/33", undefined],
    ["2001:db8::/129", undefined],
    ["fe80::1%eth0/64", undefined],
    ["10.0.0.1/32", "10.0.0.1"],
    ["2001:db8::1/128", "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:0.0.0.0/96", "0.0.0.0/0"],
    ["::ffff:0.0.0.0/95", "::fffe:0:0/95"],
    ["0.0.0.0/0", "0.0.0.0/0"],
  ])("takes %s as %s", (network, canonical) => {
    const wrong = Object.keys(problemsOf("access", { allow: [network] }));
    expect(wrong).toEqual(canonical === undefined ? ["allow[0]"] : []);
    if (canonical !== undefined)
      expect(policyOf("access").normalize?.({ allow: [network] })).toEqual({ allow: [canonical] });
  });
});

describe("rate_limit", () => {
  it("says which number is too large, and what to do", () => {
    expect(problemsOf("rate_limit", { requests_per_second: 1, burst: 10_001 })).toEqual({
      burst: 'a burst above 10000 takes too much memory for each client; use a smaller one, or key "rule"',
    });
    expect(problemsOf("rate_limit", { requests_per_second: 10_001 })).toEqual({
      requests_per_second:
        'a burst above 10000 takes too much memory for each client; set a burst, or key "rule"',
    });
    expect(problemsOf("rate_limit", { requests_per_second: 10_000 })).toEqual({});
    expect(problemsOf("rate_limit", { requests_per_second: 20_000, key: "rule" })).toEqual({});
  });

  it("counts by client, header or rule, and not the exempt", () => {
    const keyOf = (key?: string) =>
      handlersOf("rate_limit", { requests_per_second: 2, ...(key === undefined ? {} : { key }) })[0];
    expect(keyOf()).toEqual({ handler: "gatewright_limit_key" });
    expect(keyOf("client_ip")).toEqual({ handler: "gatewright_limit_key" });
    expect(keyOf("header:X-Api-Key")).toEqual({ handler: "gatewright_limit_key", header: "x-api-key" });
    expect(keyOf("rule")).toEqual({ handler: "gatewright_limit_key", rule: true });
    const value = { requests_per_second: 4, burst: 2, exempt: ["10.0.0.0/8"] };
    expect(policyOf("rate_limit").normalize?.({ ...value, exempt: ["10.1.1.1/8"] })).toEqual(value);
    expect(handlersOf("rate_limit", value)[1]).toEqual({
      handler: "rate_limit",
      rate_limits: {
        "2/500000000ns": {
          match: [{ not: [{ client_ip: { ranges: ["10.0.0.0/8", "::ffff:10.0.0.0/104"] } }] }],
          key: "{http.vars.gatewright.limit_key}",
          window: "500000000ns",
          max_events: 2,
        },
      },
    });
  });
});

describe("maintenance", () => {
  it("refuses everybody, or everybody but the exempt", () => {
    const refuse = {
      handler: "gatewright_refuse",
      status: 503,
      message: "This site is under maintenance and will be back soon.",
      reason: "maintenance",
      policy: "maintenance",
      retry_after: 60,
    };
    expect(handlersOf("maintenance", {})).toEqual([refuse]);
    expect(handlersOf("maintenance", { message: "soon", exempt: ["192.0.2.1"] })).toEqual([
      {
        handler: "subroute",
        routes: [
          {
            match: [{ not: [{ client_ip: { ranges: ["192.0.2.1", "::ffff:192.0.2.1/128"] } }] }],
            handle: [{ ...refuse, message: "soon" }],
          },
        ],
      },
    ]);
    expect(policyOf("maintenance").normalize?.({ exempt: ["192.0.2.1/32"] })).toEqual({
      exempt: ["192.0.2.1"],
    });
    expect(Object.keys(problemsOf("maintenance", { exempt: ["10.0.0.1", "x"] }))).toEqual(["exempt[1]"]);
  });
});

describe("headers", () => {
  it("tell what is wrong with each name and value", () => {
    expect(
      problemsOf("headers", {
        request: {
          set: { host: "x", "X A": "x", "X-B": "x\n" },
          add: { "X-b": "x", "Sec-WebSocket-Key": "x" },
          remove: ["*", "Connection"],
        },
        response: { set: { Host: "fine", "X-C": " outer" }, remove: ["x-c"] },
      }),
    ).toEqual({
      'request.set["host"]': "the Host header is set by upstream.host_header",
      'request.set["X A"]': '"X A" is not an HTTP field name',
      'request.set["X-B"]': "the value must be ASCII without line breaks or outer spaces",
      'request.add["X-b"]': '"X-b" is named twice; put each header into one of set, add and remove',
      'request.add["Sec-WebSocket-Key"]': '"Sec-WebSocket-Key" belongs to the connection',
      "request.remove[0]": '"*" is not an HTTP field name',
      "request.remove[1]": '"Connection" belongs to the connection',
      'response.set["X-C"]': "the value must be ASCII without line breaks or outer spaces",
      "response.remove[0]": '"x-c" is named twice; put each header into one of set, add and remove',
    });
  });

  it("are changed in the response alone here, in one order", () => {
    expect(handlersOf("headers", { request: { set: { "X-A": "1" } } })).toEqual([]);
    expect(
      handlersOf("headers", {
        response: { set: { B: "{x}", A: "1" }, add: { C: "2" }, remove: ["Z", "Y"] },
      }),
    ).toEqual([
      {
        handler: "headers",
        response: {
          set: { A: ["1"], B: ["\\{x\\}"] },
          add: { C: ["2"] },
          delete: ["Y", "Z"],
          deferred: true,
        },
      },
    ]);
  });
});

describe("compress, max_request_body and error_pages", () => {
  it("ask for nothing when they are off", () => {
    expect(handlersOf("compress", false)).toEqual([]);
    expect(policyOf("compress").modules?.(false)).toEqual([]);
    expect(policyOf("compress").modules?.(true)).toEqual(["http.encoders.zstd", "http.encoders.gzip"]);
    expect(handlersOf("error_pages", { 502: "x" })).toEqual([]);
  });

  it("never skip a size that cannot be read", () => {
    expect(handlersOf("max_request_body", "1KB")).toEqual([{ handler: "request_body", max_size: 1000 }]);
    expect(() => handlersOf("max_request_body", "much")).toThrow("much is no size");
    expect(problemsOf("max_request_body", "much")).toEqual({ "": "write it as 512KB, 10MB or 1GiB" });
  });

  it("have pages for errors only", () => {
    expect(problemsOf("error_pages", { 399: "x", 400: "x", "4xx": "x", 599: "x", 600: "x" })).toEqual({
      '["399"]': "name a status from 400 to 599, or the classes 4xx and 5xx",
      '["600"]': "name a status from 400 to 599, or the classes 4xx and 5xx",
    });
  });
});

describe("rewrite", () => {
  const at = (value: string): Partial<IngressRule> => ({
    match: { ...rule.match, path: { type: "prefix", value } },
  });

  it("replaces the rule's own path, or /", () => {
    expect(handlersOf("rewrite", { replace_prefix: "/v2" }, at("/api"))).toEqual([
      { handler: "gatewright_rewrite", prefix: "/api", with: "/v2" },
    ]);
    expect(handlersOf("rewrite", { replace_prefix: "/v2" })).toEqual([
      { handler: "gatewright_rewrite", prefix: "/", with: "/v2" },
    ]);
    expect(handlersOf("rewrite", {})).toEqual([]);
    const { usesPath } = policyOf("rewrite");
    expect([usesPath?.({ replace_prefix: "/x" }), usesPath?.({ strip_prefix: "/x" })]).toEqual([true, false]);
  });

  it("says what is wrong with a path, each kind by its own rules", () => {
    expect(problemsOf("rewrite", { strip_prefix: "x" })).toEqual({
      strip_prefix: '"x": it must start with /',
    });
    expect(problemsOf("rewrite", { strip_prefix: "/" })).toEqual({
      strip_prefix: "taking / off changes nothing; leave rewrite out",
    });
    expect(problemsOf("rewrite", { strip_prefix: "/a" })).toEqual({});
    expect(problemsOf("rewrite", { replace_prefix: "/" })).toEqual({});
    expect(problemsOf("rewrite", { replace_path: "/" })).toEqual({});
    expect(problemsOf("rewrite", { replace_prefix: "/x" }, { path: { type: "exact", value: "/a" } })).toEqual(
      { replace_prefix: "the rule's path is exact; use replace_path" },
    );
    const { normalize } = policyOf("rewrite");
    expect(normalize?.({ strip_prefix: "/%61/" })).toEqual({ strip_prefix: "/a" });
    expect(normalize?.({ replace_path: "/%61/" })).toEqual({ replace_path: "/a/" });
  });
});

describe("normalizePolicies", () => {
  it("leaves alone what shapes the proxy, and the value itself where nothing changes", () => {
    const values = { timeouts: { connect: "1s" }, compress: true };
    expect(normalizePolicies(values)).toBe(values);
    expect(normalizePolicies({ ...values, access: { deny: ["10.0.0.1/8"] } })).toEqual({
      ...values,
      access: { deny: ["10.0.0.0/8"] },
    });
  });
});
