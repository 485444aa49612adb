import { beforeAll, describe, expect, it } from "vitest";
import type { IngressRuleInput, TlsOptions, Upstream } from "../../src/model/api.ts";
import { tlsOptionProblems } from "../../src/validation/tls-options.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";

let authority: string;
let leaf: { readonly certificate: string; readonly key: string };
beforeAll(async () => {
  const made = await createTestAuthority();
  authority = made.pem;
  leaf = await made.issue({ names: ["a.test"] });
});

/** Parts and messages of the problems of a rule. */
function problemsOf(parts: object): readonly (readonly [string, string])[] {
  const rule = { match: { hostname: "a.test" }, target: { instance: "vm", port: 1 }, tls: true, ...parts };
  return tlsOptionProblems(rule as IngressRuleInput, 3).map(({ code, field = "", message }) => {
    expect(code).toBe("invalid_value");
    expect(message).toMatch(/ in rule 3$/);
    return [field.replace("rules[3].", ""), message.replace(/ in rule 3$/, "")] as const;
  });
}

const options = (tls_options: TlsOptions, more = {}) => problemsOf({ tls_options, ...more });
const upstream = (tls: NonNullable<Upstream["tls"]>, scheme?: Upstream["scheme"]) =>
  problemsOf({ upstream: { ...(scheme === undefined ? {} : { scheme }), tls } });

describe("tls_options", () => {
  it("need TLS", () => {
    const problem = ["tls_options", "tls_options requires tls to be enabled"];
    expect(options({ min_version: "1.3" }, { tls: false })).toEqual([problem]);
    expect(options({ min_version: "1.3" }, { tls: undefined })).toEqual([problem]);
    expect(options({ min_version: "1.3" })).toEqual([]);
  });

  it("have an imported certificate or an issuer", () => {
    expect(options({ certificate: "shop", issuer: "internal" })).toEqual([
      ["tls_options.issuer", "an imported certificate is not issued: leave out issuer or certificate"],
    ]);
    expect([...options({ certificate: "shop" }), ...options({ issuer: "acme" })]).toEqual([]);
  });

  it("name the authorities of clients, unless nothing is verified", () => {
    const missing = [
      ["tls_options.client_auth.ca_pem", "client_auth needs ca_pem, or anybody's certificate would do"],
    ];
    expect(options({ client_auth: { mode: "require" } })).toEqual(missing);
    expect(options({ client_auth: { mode: "verify_if_given" } })).toEqual(missing);
    expect(options({ client_auth: { mode: "request" } })).toEqual([]);
    expect(options({ client_auth: { mode: "require", ca_pem: authority } })).toEqual([]);
  });

  it("preload needs all subdomains for a year", () => {
    const problem = [
      ["tls_options.hsts.preload", "preload needs include_subdomains and max_age_seconds of a year or more"],
    ];
    const year = 31_536_000;
    expect(options({ hsts: { preload: true } })).toEqual(problem);
    expect(options({ hsts: { preload: true, include_subdomains: false } })).toEqual(problem);
    const short = { preload: true, include_subdomains: true, max_age_seconds: year - 1 };
    expect(options({ hsts: short })).toEqual(problem);
    expect(options({ hsts: { ...short, max_age_seconds: year } })).toEqual([]);
    expect(options({ hsts: { preload: true, include_subdomains: true } })).toEqual([]);
    expect(options({ hsts: { ...short, preload: false } })).toEqual([]);
    expect(options({ hsts: { max_age_seconds: 1 } })).toEqual([]);
  });
});

describe("authorities", () => {
  it.each<[what: string, pem: () => string, problem: string | undefined]>([
    ["one", () => authority, undefined],
    ["a hundred", () => authority.repeat(100), undefined],
    ["more", () => authority.repeat(101), "ca_pem has more than 100 certificates"],
    ["none", () => "hello", "ca_pem has no PEM certificate"],
    [
      "a key",
      () => `${authority}${leaf.key}`,
      "ca_pem has a private key in it; only certificates belong there",
    ],
    [
      "a certificate of a server beside one",
      () => `${authority}${leaf.certificate}`,
      "ca_pem has a certificate that is no authority's (basicConstraints CA)",
    ],
    [
      "what is no certificate",
      () => `${authority}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      "ca_pem has a certificate that cannot be read",
    ],
  ])("of clients and of instances: %s", (_what, pem, problem) => {
    const wrong = (field: string) => (problem === undefined ? [] : [[field, problem]]);
    expect(options({ client_auth: { mode: "require", ca_pem: pem() } })).toEqual(
      wrong("tls_options.client_auth.ca_pem"),
    );
    expect(upstream({ ca_pem: pem() }, "https")).toEqual(wrong("upstream.tls.ca_pem"));
  });
});

describe("upstream.tls", () => {
  it("needs https, and a rule of layer 4 has no scheme", () => {
    const problem = [["upstream.tls", "upstream.tls needs upstream.scheme https"]];
    expect(upstream({ server_name: "a.test" })).toEqual(problem);
    expect(upstream({ server_name: "a.test" }, "h2c")).toEqual(problem);
    expect(upstream({ server_name: "a.test" }, "https")).toEqual([]);
    const match = { protocol: "tcp", port: 1 };
    expect(problemsOf({ match, tls: false, upstream: { tls: { server_name: "a.test" } } })).toEqual([]);
  });

  it("has a name or address that a certificate can have", () => {
    const problem = [
      ["upstream.tls.server_name", "upstream.tls.server_name must be a host name or an IP address"],
    ];
    for (const name of ["*", "*.a.test", "{x}.a.test", "a b"])
      expect(upstream({ server_name: name }, "https"), name).toEqual(problem);
    for (const name of ["a.test", "192.0.2.1", "2001:db8::1"])
      expect(upstream({ server_name: name }, "https"), name).toEqual([]);
  });

  it("cannot verify and not verify", () => {
    expect(upstream({ insecure_skip_verify: true, ca_pem: authority }, "https")).toEqual([
      [
        "upstream.tls.insecure_skip_verify",
        "insecure_skip_verify takes any certificate: leave out it or ca_pem",
      ],
    ]);
    expect(upstream({ insecure_skip_verify: true }, "https")).toEqual([]);
    expect(upstream({ insecure_skip_verify: false, ca_pem: authority }, "https")).toEqual([]);
  });
});
