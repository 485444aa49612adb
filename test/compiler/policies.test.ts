import { describe, expect, it } from "vitest";
import { literal } from "../../src/compiler/policies/literal.ts";
import { modulesOf } from "../../src/compiler/policies/modules.ts";
import { renderPolicies } from "../../src/compiler/policies/policies.ts";
import { defaultBurst } from "../../src/compiler/policies/rate-limit.ts";
import { lackingPolicies, policySetOf } from "../../src/compiler/policy-set.ts";
import type { IngressRule, Policies } from "../../src/model/api.ts";
import { byteSize } from "../../src/model/byte-size.ts";
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
    const order = renderPolicies(ruleOf(everything), settings).map(({ policy }) => policy);
    expect(order).toEqual([
      "access",
      "rate_limit",
      "maintenance",
      "",
      "basic_auth",
      "forward_auth",
      "headers",
      "compress",
      "max_request_body",
      "rewrite",
    ]);
  });

  it("make one set of equal rules, whatever the order of their keys, host, target and secret", () => {
    const reversed = Object.fromEntries(Object.entries(everything).reverse()) as Policies;
    const other = ruleOf(reversed, {
      match: { hostname: "*.example.com", port: 8080, path: { type: "prefix", value: "/x" } },
      target: { instance: "db", port: 1 },
      request_header_auth: { header: "X-Key", value: "k".repeat(32) },
    });
    expect(policySetOf(other, settings).key).toBe(policySetOf(ruleOf(everything), settings).key);
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
    const handlers = renderPolicies(ruleOf(everything), settings).flatMap((rendered) => rendered.handlers);
    expect(modulesOf(handlers)).toEqual([
      "http.authentication.hashes.bcrypt",
      "http.authentication.providers.http_basic",
      "http.encoders.gzip",
      "http.encoders.zstd",
      "http.handlers.authentication",
      "http.handlers.copy_response",
      "http.handlers.encode",
      "http.handlers.gatewright_count",
      "http.handlers.gatewright_forwarded",
      "http.handlers.gatewright_limit_key",
      "http.handlers.gatewright_refuse",
      "http.handlers.gatewright_rewrite",
      "http.handlers.headers",
      "http.handlers.rate_limit",
      "http.handlers.request_body",
      "http.handlers.reverse_proxy",
      "http.handlers.subroute",
      "http.handlers.vars",
      "http.matchers.client_ip",
      "http.matchers.not",
      "http.reverse_proxy.upstreams.gatewright_host",
    ]);
  });

  it("are closed, not skipped, when Caddy lacks a module", () => {
    const lacking = compilerSettings({
      modules: ["http.handlers.gatewright_forwarded", "http.handlers.gatewright_limit_key"],
    });
    const rule = ruleOf({ rate_limit: { requests_per_second: 1 } });
    expect(lackingPolicies(rule, lacking)).toEqual([
      { policy: "rate_limit", modules: ["http.handlers.rate_limit"] },
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
  ])("%s requests a second come with a burst of %s", (rate, burst) => expect(defaultBurst(rate)).toBe(burst));
});
