import { describe, expect, it } from "vitest";
import { redact } from "../../src/explain/redact.ts";

const REDACTED = "[redacted]";

describe("what is redacted of Caddy's JSON", () => {
  it.each([
    [
      "a hash of a password",
      { accounts: [{ username: "ann", password: "$2a$" }] },
      { accounts: [{ username: "ann", password: REDACTED }] },
    ],
    [
      "a token",
      { provider: { name: "cloudflare", api_token: "t" } },
      { provider: { name: "cloudflare", api_token: REDACTED } },
    ],
    [
      "a MAC key",
      { external_account: { key_id: "k", mac_key: "m" } },
      { external_account: { key_id: "k", mac_key: REDACTED } },
    ],
    [
      "values of headers",
      { set: { "X-A": ["v", "{http.request.method}"] } },
      { set: { "X-A": [REDACTED, "{http.request.method}"] } },
    ],
    [
      "replacements in headers",
      { replace: { "X-A": [{ search: "a", replace: "b" }] } },
      { replace: { "X-A": [REDACTED] } },
    ],
    ["a query", { uri: "/check?key=1" }, { uri: `/check?${REDACTED}` }],
    ["a user in a URL", { ca: "https://ann:pw@ca.test/dir" }, { ca: `https://${REDACTED}@ca.test/dir` }],
    ["a private key", { pem: "-----BEGIN EC PRIVATE KEY-----\nx" }, { pem: REDACTED }],
  ])("%s", (_what, given, wanted) => expect(redact(given)).toEqual(wanted));

  it("leaves what is none", () => {
    const plain = {
      handler: "headers",
      delete: ["X-A"],
      uri: "/check",
      set: { nested: { a: 1 } },
      n: 1,
      none: null,
      empty: "",
    };
    expect(redact(plain)).toEqual(plain);
  });
});
