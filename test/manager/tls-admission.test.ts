import { describe, expect, it } from "vitest";
import { ConfigNeeds } from "../../src/compiler/config-needs.ts";
import { compileRows } from "../../src/compiler/rows.ts";
import { type CertificateLookup, referCertificates, tlsConflicts } from "../../src/manager/tls-admission.ts";
import type { IngressRule } from "../../src/model/api.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

const names = ["a.test", "*.wild.test"];
const lookup: CertificateLookup = {
  find: (reference) =>
    ["cert-1", "mine"].includes(reference)
      ? { id: "cert-1", facts: { names, notAfter: new Date(0) } }
      : undefined,
};
const settings = compilerSettings({ acme: { email: "ops@a.test", dns: { apiToken: "t" } } });

const tls = (hostname: string, options?: IngressRule["tls_options"], port = 443): IngressRule =>
  ruleOf({ hostname, port }, { tls: true, ...(options === undefined ? {} : { tls_options: options }) });
const upstream = (certificate: string): Partial<IngressRule> => ({ upstream: { tls: { certificate } } });

describe("imported certificates that a rule names", () => {
  it("are stored by their ids, and the rest of the rule stays", () => {
    const named = {
      ...tls("a.test", { certificate: "mine", min_version: "1.3" }),
      upstream: { scheme: "https" as const, tls: { certificate: "mine", server_name: "s.test" } },
    };
    const { rule, problems } = referCertificates(named, 0, lookup);
    expect(problems).toEqual([]);
    expect(rule).toEqual({
      ...named,
      tls_options: { certificate: "cert-1", min_version: "1.3" },
      upstream: { scheme: "https", tls: { certificate: "cert-1", server_name: "s.test" } },
    });
  });

  it.each([
    ruleOf({ hostname: "a.test" }),
    ruleOf({ hostname: "a.test" }, { upstream: { scheme: "h2c" } }),
    tls("a.test"),
    tls("a.test", { min_version: "1.3" }),
  ])("may be none", (rule) => {
    expect(referCertificates(rule, 0, lookup)).toEqual({ rule, problems: [] });
  });

  it.each<[string, IngressRule, string, string]>([
    ["server", tls("a.test", { certificate: "gone" }), "rules[3].tls_options.certificate", '"gone"'],
    [
      "client",
      ruleOf({ hostname: "a.test" }, upstream("gone")),
      "rules[3].upstream.tls.certificate",
      '"gone"',
    ],
    [
      "server, for another name",
      tls("x.b.test", { certificate: "mine" }),
      "rules[3].tls_options.certificate",
      "the certificate is for a.test, *.wild.test, not for x.b.test",
    ],
  ])("have to be there: %s", (_, rule, field, message) => {
    const { problems } = referCertificates(rule, 3, lookup);
    expect(problems).toEqual([
      { code: "certificate_not_found", field, message: expect.stringContaining(message) },
    ]);
  });

  it("have to be for the hostname as a pattern, and for clients of instances not at all", () => {
    const pattern = referCertificates(tls("{one}.wild.test", { certificate: "mine" }), 0, lookup);
    expect(pattern.problems).toEqual([]);
    const client = referCertificates(ruleOf({ hostname: "x.b.test" }, upstream("mine")), 0, lookup);
    expect(client.problems).toEqual([]);
  });
});

/** What stands against rules beside others that are stored, of which `before` are replaced. */
function conflicts(
  rules: readonly IngressRule[],
  stored: readonly IngressRule[] = [],
  before: readonly IngressRule[] = [],
): readonly string[] {
  const needs = new ConfigNeeds();
  for (const compiled of compileRows(ingressOf("stored", { rules: stored }), settings)) needs.add(compiled);
  return tlsConflicts(rules, before, { needs, settings, lookup }).map(
    ({ code, field }) => `${code} ${field}`,
  );
}

const strict = tls("a.test", { min_version: "1.3" });
const loose = tls("a.test", { min_version: "1.2" });
const internal = tls("a.test", { issuer: "internal" });
const acme = tls("a.test");
const clash = (index: number): readonly string[] => [`tls_options_conflict rules[${index}].tls_options`];

describe("rules that want something else of TLS", () => {
  it.each<[string, readonly IngressRule[], readonly IngressRule[], readonly string[]]>([
    ["options of one host and port, beside stored ones", [loose], [strict], clash(0)],
    ["options of one host and port, in one document", [strict, loose], [], clash(1)],
    ["options of one host, on other ports", [tls("a.test", { min_version: "1.2" }, 8443)], [strict], []],
    [
      "options of one host, on other ports of a document",
      [strict, tls("a.test", { min_version: "1.2" }, 8443)],
      [],
      [],
    ],
    ["options of other hosts", [tls("b.test", { min_version: "1.2" })], [strict], []],
    ["options of other hosts of a document", [strict, tls("b.test", { min_version: "1.2" })], [], []],
    ["the same options", [strict, strict], [strict], []],
    ["options beside none", [acme], [strict], []],
    ["the issuer of one name, beside a stored one", [internal], [acme], clash(0)],
    ["the issuer of one name, in one document", [acme, internal], [], clash(1)],
    ["the issuers of other names", [acme, tls("b.test", { issuer: "internal" })], [], []],
    ["the same issuer", [acme, acme], [acme], []],
    ["nothing", [ruleOf({ hostname: "a.test" })], [strict, internal], []],
  ])("%s", (_, rules, stored, expected) => {
    expect(conflicts(rules, stored)).toEqual(expected);
  });

  it("may contradict what they replace, and not what another has as well", () => {
    expect(conflicts([loose], [strict], [strict])).toEqual([]);
    expect(conflicts([loose], [strict, strict], [strict])).toEqual(clash(0));
    expect(conflicts([internal], [acme], [acme])).toEqual([]);
  });

  it("want nothing where they cannot be served with TLS", () => {
    const needs = new ConfigNeeds();
    const context = { needs, settings: compilerSettings(), lookup };
    expect(tlsConflicts([acme, strict], [acme, strict], context)).toEqual([]);
  });

  it("are told apart in words", () => {
    const messages = (rules: readonly IngressRule[]): readonly string[] =>
      tlsConflicts(rules, [], { needs: new ConfigNeeds(), settings, lookup }).map(({ message }) => message);
    expect(messages([strict, loose])).toEqual([
      "another rule of a.test on port 443 has other TLS options; connections are secured before the path is known: give both the same",
    ]);
    expect(messages([acme, internal])).toEqual([
      "another rule has another issuer for the same name; give both the same issuer",
    ]);
  });

  it("name a certificate that is gone meanwhile", () => {
    expect(conflicts([tls("a.test", { certificate: "cert-1" })])).toEqual([]);
    expect(conflicts([acme, tls("b.test", { certificate: "gone" })])).toEqual([
      "certificate_not_found rules[1].tls_options.certificate",
    ]);
  });
});
