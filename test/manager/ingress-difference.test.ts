import { describe, expect, it } from "vitest";
import { differencesOf } from "../../src/manager/ingress-difference.ts";
import type { Ingress, IngressRule } from "../../src/model/api.ts";

const secret = "s3cr3t-0123456789-0123456789-0123456789";
const bare: IngressRule = {
  match: { hostname: "shop.test", port: 80 },
  target: { instance: "vm-1", port: 80 },
  tls: false,
  redirect_http: false,
};
const ingress = (rule: Partial<IngressRule>): Ingress => ({
  id: "a".repeat(24),
  name: "shop",
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  rules: [{ ...bare, ...rule }],
});

/** A rule with a secret at each depth at which it can be new, or gone. */
const secretive: readonly (readonly [string, Partial<IngressRule>, Partial<IngressRule>])[] = [
  ["header auth", {}, { request_header_auth: { header: "X-Key", value: secret } }],
  [
    "another value of header auth",
    { request_header_auth: { header: "X-Key", value: "0".repeat(32) } },
    { request_header_auth: { header: "X-Key", value: secret } },
  ],
  ["policies", {}, { policies: { basic_auth: { users: { ann: secret } } } }],
  ["a policy", { policies: {} }, { policies: { basic_auth: { users: { ann: secret } } } }],
  [
    "a user",
    { policies: { basic_auth: { users: { bob: "hash" } } } },
    { policies: { basic_auth: { users: { bob: "hash", ann: secret } } } },
  ],
  ["headers", { policies: {} }, { policies: { headers: { request: { set: { "X-Token": secret } } } } }],
  [
    "a header",
    { policies: { headers: { request: { add: { "X-Token": "old" } } } } },
    { policies: { headers: { request: { add: { "X-Token": secret } } } } },
  ],
  [
    "a header whose name has dots",
    { policies: { headers: { response: { set: {} } } } },
    { policies: { headers: { response: { set: { "X.Token": secret } } } } },
  ],
];

describe("words of a change tell no secret", () => {
  it.each(secretive)("where %s comes, or goes", (_, without, having) => {
    const [before, after] = [ingress(without), ingress(having)];
    for (const told of [differencesOf(before, after), differencesOf(after, before)]) {
      expect(told).not.toEqual([]);
      expect(JSON.stringify(told)).not.toContain(secret);
    }
  });

  it("and still tell what is none", () => {
    const after = ingress({ request_header_auth: { header: "X-Key", value: secret } });
    expect(differencesOf(ingress({}), after)).toMatchObject([
      { text: expect.stringContaining('{"header":"X-Key","value":"(hidden)"}') },
    ]);
  });
});
