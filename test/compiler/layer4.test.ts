import { describe, expect, it } from "vitest";
import { rowLayer4 } from "../../src/compiler/layer4.ts";
import { importedCertificatePath } from "../../src/compiler/tls.ts";
import { tlsFields, tlsNeeds } from "../../src/compiler/tls-needs.ts";
import type { IngressRule } from "../../src/model/api.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const settings = compilerSettings({ acme: { email: "ops@example.com" } });
const rule = (more: Partial<IngressRule> = {}): IngressRule => ({
  match: { protocol: "tcp", hostname: "*", port: 5432 },
  target: { instance: "db", port: 5432 },
  tls: false,
  redirect_http: false,
  ...more,
});

describe("a row of layer 4", () => {
  it("is what the rule says, and nothing that it does not", () => {
    expect(rowLayer4(rule(), settings)).toStrictEqual({ protocol: "tcp" });
    expect(rowLayer4(rule({ match: { hostname: "a.test", port: 80 } }), settings)).toBeUndefined();
    expect(
      rowLayer4(
        rule({
          upstream: { proxy_protocol: "v2" },
          policies: {
            access: { allow: ["10.0.0.1", "10.0.0.0/8", "2001:db8::1"], deny: ["192.0.2.1"] },
            load_balancing: { policy: "ip_hash" },
            timeouts: { connect: "1.5s", idle: "1m" },
            max_connections: 7,
            health_check: { passive: { max_fails: 2, fail_duration: "3s" } },
          },
        }),
        settings,
      ),
    ).toStrictEqual({
      protocol: "tcp",
      policy: "ip_hash",
      connect_timeout_ms: 1500,
      idle_timeout_ms: 60_000,
      max_connections: 7,
      max_fails: 2,
      fail_duration_ms: 3000,
      proxy_protocol: "v2",
      allow: ["10.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128"],
      deny: ["192.0.2.1/32"],
    });
  });

  it("ends TLS, passes it on, or has it spoken with the target", () => {
    const match = { protocol: "tcp", hostname: "db.test", port: 5432 } as const;
    expect(rowLayer4(rule({ match, tls: true }), settings)).toStrictEqual({
      protocol: "tls",
      terminate: true,
    });
    expect(rowLayer4(rule({ match: { ...match, protocol: "tls" } }), settings)).toStrictEqual({
      protocol: "tls",
    });
    const tls = (upstream: object) => rowLayer4(rule({ upstream: { tls: upstream } }), settings)?.tls;
    expect(tls({ server_name: "db.internal" })).toStrictEqual({ server_name: "db.internal" });
    expect(tls({ ca_pem: "PEM", insecure_skip_verify: false })).toStrictEqual({ ca_pem: "PEM" });
    expect(tls({ insecure_skip_verify: true })).toStrictEqual({ insecure_skip_verify: true });
    const file = importedCertificatePath(settings.folder, "c1");
    expect(tls({ certificate: "c1" })).toStrictEqual({ certificate_file: file, key_file: file });
  });
});

describe("what a rule needs of TLS", () => {
  const tls = (more: Partial<IngressRule> = {}) =>
    rule({ match: { hostname: "{a}.x.test", port: 443 }, tls: true, ...more });
  const literal = { hostname: "a.test", port: 443 } as const;
  const issuer = { kind: "issuer", issuer: "acme", onDemand: false };
  const managed = { ...issuer, kind: "managed", subject: "a.test" };
  const name = { subject: "a.test", issuer: "acme" };
  const challenge = { kind: "challenge-port", port: 80 };

  it("is nothing without TLS but the certificate that is shown to the target", () => {
    expect(tlsNeeds(rule(), settings)).toStrictEqual([]);
    expect(tlsNeeds(rule({ upstream: { tls: { certificate: "c1" } } }), settings)).toStrictEqual([
      { kind: "certificate", id: "c1" },
    ]);
  });

  it("is the port of the challenge where no DNS is written", () => {
    expect(tlsNeeds(tls({ match: literal }), settings)).toStrictEqual([managed, issuer, challenge]);
    const dns = compilerSettings({ acme: { email: "ops@example.com", dns: { apiToken: "t" } } });
    expect(tlsNeeds(tls({ match: literal }), dns)).toStrictEqual([managed, issuer]);
    expect(tlsNeeds(tls({ match: literal, tls_options: { issuer: "internal" } }), settings)).toStrictEqual([
      { ...managed, issuer: "internal" },
      { ...issuer, issuer: "internal" },
    ]);
    // A wildcard takes the DNS challenge.
    expect(tlsNeeds(tls(), settings)).toBeUndefined();
  });

  it("is the imported certificate, and what connections must do", () => {
    const needs = tlsNeeds(tls({ tls_options: { certificate: "c1" } }), settings);
    expect(needs).toStrictEqual([
      { kind: "certificate", id: "c1" },
      { kind: "connection", port: 443, host: "*.x.test", certificate: "c1" },
    ]);
    expect(tlsFields(needs ?? [])).toStrictEqual({ tls_options: { certificate: "c1" } });
    expect(tlsFields([])).toStrictEqual({});
    const options = { min_version: "1.3", client_auth: { ca_pem: "PEM" } } as const;
    const asked = tlsNeeds(tls({ match: literal, tls_options: options as never }), settings) ?? [];
    expect(asked.at(-1)).toStrictEqual({
      kind: "connection",
      port: 443,
      host: "a.test",
      minVersion: "1.3",
      clientAuth: { mode: "require", ca_pem: "PEM" },
    });
    expect(tlsFields(asked)).toStrictEqual({
      managed_name: name,
      tls_options: { min_version: "1.3", client_auth: { mode: "require", ca_pem: "PEM" } },
    });
    const open = { client_auth: { mode: "request" } } as const;
    expect(tlsFields(tlsNeeds(tls({ match: literal, tls_options: open }), settings) ?? [])).toStrictEqual({
      managed_name: name,
      tls_options: open,
    });
  });
});
