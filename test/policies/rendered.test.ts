import { describe, expect, it } from "vitest";
import type { PolicyHandler } from "../../src/caddy-json/handlers.ts";
import { literal } from "../../src/caddy-json/literal.ts";
import { policySetOf } from "../../src/compiler/policy-set.ts";
import { lackingPolicies, policyHandlers } from "../../src/compiler/render-policies.ts";
import type { IngressRule, Policies } from "../../src/model/api.ts";
import { byteSize } from "../../src/model/byte-size.ts";
import openapi from "../../src/model/openapi.json" with { type: "json" };
import { policies } from "../../src/policies/index.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const settings = compilerSettings();

function ruleOf(policies: Policies, more: Partial<IngressRule> = {}): IngressRule {
  return {
    match: { hostname: "a.example.com", port: 80 },
    target: { instance: "web", port: 80 },
    tls: false,
    redirect_http: false,
    policies,
    ...more,
  };
}

const everything: Policies = {
  error_pages: { "5xx": "sorry" },
  rewrite: { strip_prefix: "/a" },
  max_request_body: "1MB",
  compress: true,
  headers: { response: { remove: ["Server"] } },
  forward_auth: { url: "http://auth.example.com/" },
  basic_auth: { users: { ann: "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" } },
  maintenance: { exempt: ["10.0.0.0/8"] },
  rate_limit: { requests_per_second: 1 },
  access: { deny: ["192.0.2.1"] },
};

describe("policies", () => {
  it("run in one order, whatever the document's", () => {
    const reversed = Object.fromEntries(Object.entries(everything).reverse()) as Policies;
    const secret = { request_header_auth: { header: "X-Key", value: "k".repeat(32) } };
    const names = [everything, reversed].map((values) =>
      policyHandlers(ruleOf(values, secret), settings).map(({ handler }) => handler),
    );
    expect(names).toEqual(
      Array(2).fill([
        "subroute",
        "gatewright_limit_key",
        "rate_limit",
        "subroute",
        "gatewright_header_auth",
        "gatewright_forwarded",
        "authentication",
        "reverse_proxy",
        "headers",
        "encode",
        "request_body",
        "gatewright_rewrite",
      ]),
    );
  });

  it("make one set of equal rules, whatever the order of their keys, host, target and secret", () => {
    const reversed = Object.fromEntries(Object.entries(everything).reverse()) as Policies;
    const other = ruleOf(reversed, {
      match: { hostname: "*.example.com", port: 8080, path: { type: "prefix", value: "/x" } },
      target: { instance: "db", port: 1 },
      request_header_auth: { header: "X-Key", value: "k".repeat(32) },
    });
    const secret = { request_header_auth: { header: "X-Other", value: "o".repeat(32) } };
    expect(policySetOf(other, settings).key).toBe(policySetOf(ruleOf(everything, secret), settings).key);
    expect(policySetOf(other, settings).key).not.toBe(policySetOf(ruleOf(everything), settings).key);
    expect(policySetOf(ruleOf({}), settings).key).not.toBe(policySetOf(other, settings).key);
  });

  it("have the rule's path in the set only where it is replaced", () => {
    const at = (value: string, rewrite: object): string =>
      policySetOf(
        ruleOf({ rewrite }, { match: { hostname: "a", port: 80, path: { type: "prefix", value } } }),
        settings,
      ).key;
    expect(at("/a", { replace_path: "/x" })).toBe(at("/b", { replace_path: "/x" }));
    expect(at("/a", { replace_prefix: "/x" })).not.toBe(at("/b", { replace_prefix: "/x" }));
  });

  it("name every Caddy module that they are made of", () => {
    const none = compilerSettings({ modules: [] });
    const secret = { request_header_auth: { header: "X-Key", value: "k".repeat(32) } };
    const lacking = lackingPolicies(ruleOf(everything, secret), none);
    expect(Object.fromEntries(lacking.map(({ field, modules }) => [field, modules]))).toEqual({
      "policies.access": [
        "http.handlers.gatewright_refuse",
        "http.handlers.subroute",
        "http.matchers.client_ip",
      ],
      "policies.rate_limit": ["http.handlers.gatewright_limit_key", "http.handlers.rate_limit"],
      "policies.maintenance": [
        "http.handlers.gatewright_refuse",
        "http.handlers.subroute",
        "http.matchers.not",
      ],
      request_header_auth: ["http.handlers.gatewright_header_auth"],
      "policies.basic_auth": [
        "http.authentication.hashes.bcrypt",
        "http.authentication.providers.http_basic",
        "http.handlers.authentication",
      ],
      "policies.forward_auth": [
        "http.handlers.copy_response",
        "http.handlers.gatewright_count",
        "http.handlers.headers",
        "http.handlers.reverse_proxy",
        "http.handlers.vars",
        "http.matchers.not",
        "http.reverse_proxy.upstreams.gatewright_host",
      ],
      "policies.headers": ["http.handlers.headers"],
      "policies.compress": ["http.encoders.gzip", "http.encoders.zstd", "http.handlers.encode"],
      "policies.max_request_body": ["http.handlers.request_body"],
      "policies.rewrite": ["http.handlers.gatewright_rewrite"],
    });
  });

  it("are closed, not skipped, when Caddy lacks a module", () => {
    const lacking = compilerSettings({
      modules: ["http.handlers.gatewright_forwarded", "http.handlers.gatewright_limit_key"],
    });
    const rule = ruleOf({ rate_limit: { requests_per_second: 1 } });
    expect(lackingPolicies(rule, lacking)).toEqual([
      { field: "policies.rate_limit", modules: ["http.handlers.rate_limit"] },
    ]);
    expect(policySetOf(rule, lacking).set.handle).toMatchObject([
      { handler: "gatewright_refuse", status: 503 },
    ]);
    expect(lackingPolicies(ruleOf({}), lacking)).toEqual([]);
  });
});

describe("literal", () => {
  it.each([
    ["plain \\ text", "plain \\ text"],
    ["{env.HOME}", "\\{env.HOME\\}"],
    ["\\{x\\}", "\\\\{x\\\\}"],
    ["}{", "\\}\\{"],
  ])("%s → %s", (text, escaped) => expect(literal(text)).toBe(escaped));
});

describe("sizes and bursts", () => {
  it.each([
    ["1", 1],
    ["512KB", 512_000],
    ["10 MB", 10_000_000],
    ["1.5GiB", 1_610_612_736],
    ["2kib", 2048],
    ["0.5B", undefined],
    ["-1MB", undefined],
    ["1TB", undefined],
    ["", undefined],
  ])("%s is %s bytes", (text, bytes) => expect(byteSize(text)).toBe(bytes));

  it.each([
    [0.001, 1],
    [1, 1],
    [1.5, 2],
    [100, 100],
  ])("%s requests a second come with a burst of %s", (rate, burst) => {
    const [, limit] = policyHandlers(ruleOf({ rate_limit: { requests_per_second: rate } }), settings);
    const { rate_limits } = limit as PolicyHandler & { rate_limits: object };
    expect(Object.values(rate_limits)).toMatchObject([{ max_events: burst }]);
  });
});

describe("the list of policies", () => {
  it("has every key of the API but those that shape the proxy", () => {
    const proxy = ["load_balancing", "health_check", "timeouts", "max_connections"];
    const { properties } = openapi.components.schemas.Policies;
    const keys = policies.filter(({ inRule }) => inRule !== true).map(({ key }) => key);
    expect([...keys, ...proxy].sort()).toEqual(Object.keys(properties).sort());
  });
});
