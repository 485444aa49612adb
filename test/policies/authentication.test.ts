import { describe, expect, it } from "vitest";
import { policyField } from "../../src/policies/index.ts";
import { handlersOf, policyOf, problemsOf } from "./subject.ts";

describe("request_header_auth", () => {
  it.each<[header: string, value: string, problems: Record<string, string>]>([
    ["X-Key", "k".repeat(32), {}],
    ["X-Key", "~".repeat(256), {}],
    ["X Key", "k".repeat(32), { header: "request_header_auth.header must be a valid HTTP field name" }],
    [
      "Cookie",
      "k".repeat(32),
      { header: 'request_header_auth.header "Cookie" is reserved; use a name of your own' },
    ],
    [
      "SEC-WebSocket-Key",
      "k".repeat(32),
      { header: 'request_header_auth.header "SEC-WebSocket-Key" is reserved; use a name of your own' },
    ],
    [
      "X-Key",
      "k".repeat(31),
      {
        value:
          "request_header_auth.value must be 32-256 bytes of visible ASCII without Caddy matcher metacharacters",
      },
    ],
  ])("%s: %s → %j", (header, value, problems) => {
    expect(problemsOf("request_header_auth", { header, value })).toEqual(problems);
  });

  it("is a key of the rule, not of policies", () => {
    expect(policyField(policyOf("request_header_auth"))).toBe("request_header_auth");
    expect(policyField(policyOf("headers"))).toBe("policies.headers");
  });
});

describe("basic_auth", () => {
  const bcrypt = (cost: string) => `$2y$${cost}$jDhls8JTslTJZ0IAfhaNYOOTK0o7L1UcvGOF7mDwx52INrbgoyeAC`;
  const argon = (m: number, t: number, p: number) =>
    `$argon2id$v=19$m=${m},t=${t},p=${p}$RdJkGIQPjnPRc8D4FhJJag$oSBJGdhVyOICvcvLkyRwO1fd83ybw/9fSJUeH77vN+c`;
  const cost = "the cost of a bcrypt hash must be 4 to 15";
  const bounds = "an argon2id hash may take m up to 262144, t up to 16 and p up to 16";
  const neither =
    "it is not a bcrypt or argon2id hash; make one by `htpasswd -nB ann` or `caddy hash-password`, never send the password";

  it.each([
    [bcrypt("03"), cost],
    [bcrypt("04"), undefined],
    [bcrypt("15"), undefined],
    [bcrypt("16"), cost],
    [argon(262_144, 16, 16), undefined],
    [argon(262_145, 1, 1), bounds],
    [argon(8, 1, 1), undefined],
    [argon(7, 1, 1), bounds],
    [argon(128, 1, 17), bounds],
    [argon(128, 17, 1), bounds],
    [argon(128, 0, 1), bounds],
    [argon(128, 1, 0), bounds],
    ["secret", neither],
  ])("%s: %s", (hash, problem) => {
    const part = 'users["ann"]';
    expect(problemsOf("basic_auth", { users: { ann: hash } })).toEqual(
      problem === undefined ? {} : { [part]: problem },
    );
  });

  it("has names without colons, and hashes of one kind", () => {
    expect(problemsOf("basic_auth", { users: { "a:b": bcrypt("04") } })).toEqual({
      'users["a:b"]': "a user name has no colon and no control characters",
    });
    expect(problemsOf("basic_auth", { users: { a: bcrypt("04"), b: argon(8, 1, 1) } })).toEqual({
      users: "bcrypt and argon2id hashes are mixed; use one kind for all users of a rule",
    });
    // Each thread has eight blocks of 1 KiB at the least (RFC 9106 section 3.1).
    expect(problemsOf("basic_auth", { users: { a: argon(15, 1, 2) } })).toEqual({ 'users["a"]': bounds });
    expect(problemsOf("basic_auth", { users: { a: argon(16, 1, 2) } })).toEqual({});
    expect(problemsOf("basic_auth", { users: { a: argon(262_144, 1, 17) } })).toEqual({
      'users["a"]': bounds,
    });
  });

  it("names the algorithm, its modules and the users in order", () => {
    const { modules } = policyOf("basic_auth");
    const users = { bob: argon(128, 1, 1), ann: argon(128, 1, 1) };
    expect(handlersOf("basic_auth", { users })).toMatchObject([
      {
        providers: {
          http_basic: {
            hash: { algorithm: "argon2id" },
            accounts: [{ username: "ann" }, { username: "bob" }],
          },
        },
      },
    ]);
    expect(modules?.({ users })).toEqual([
      "http.authentication.providers.http_basic",
      "http.authentication.hashes.argon2id",
    ]);
    expect(modules?.({ users: { ann: bcrypt("04") } })).toContain("http.authentication.hashes.bcrypt");
    // A stored one from before mixed hashes were refused: each is checked by bcrypt, and those of argon2id never fit.
    expect(modules?.({ users: { ann: bcrypt("04"), bob: argon(128, 1, 1) } })).toContain(
      "http.authentication.hashes.bcrypt",
    );
  });
});

describe("forward_auth", () => {
  it.each([
    ["ftp://a.test/", "it is no http or https URL, such as http://auth.example.com:9091/verify"],
    ["http://a.test/{x}", "leave out { and }, or write them as %7B and %7D"],
    ["http://u@a.test/", "leave out user name and password"],
    ["http://:p@a.test/", "leave out user name and password"],
    ["http://a.test:0/", "port 0 is none that a server listens on"],
    ["http://a.test/#x", "leave out #; a server never gets it"],
    ["http://a..test/", '"a..test" is no host name or IP address'],
    ["http://[2001:db8::1]:9091/verify", undefined],
    ["https://auth.test", undefined],
  ])("%s: %s", (url, problem) => {
    expect(problemsOf("forward_auth", { url })).toEqual(problem === undefined ? {} : { url: problem });
  });

  it("takes a timeout up to five minutes", () => {
    const url = "http://a.test/";
    expect(problemsOf("forward_auth", { url, timeout: "5m" })).toEqual({});
    const { timeout } = problemsOf("forward_auth", { url, timeout: "301s" });
    expect(timeout).toBe("write it as 500ms, 10s or 1m, at most 5m");
  });

  it.each([
    ["http://a.test/x", "a.test", 80],
    ["https://a.test/x", "a.test", 443],
    ["https://[2001:db8::1]:9091/", "2001:db8::1", 9091],
  ])("connects for %s to %s port %s", (url, host, port) => {
    expect(policyOf("forward_auth").endpoints?.({ url })).toEqual([{ part: "url", host, port }]);
  });
});
