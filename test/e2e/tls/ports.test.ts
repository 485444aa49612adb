import { describe, expect, it } from "vitest";
import type { Certificate, IngressStatus } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { privateFiles } from "../../support/acme/private-files.ts";
import { startTlsWorld } from "../../support/acme/tls-world.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { askCaddy, call, createIngress, putInstance, rule, visit } from "../../support/api.ts";
import type { Seen } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startGatewright } from "../../support/gatewright.ts";

const eab = { id: "kid-1", key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" };

const { world, gatewright, backend, handshake, visitSecurely } = useTlsSite(
  async (made) => ({
    ...made.ports,
    // The first authority is not there: every certificate comes from the second.
    ACME_CA: `https://127.0.0.1:${await freePort()}/dir`,
    ACME_FALLBACK_CA: made.pebble.directory,
    ACME_FALLBACK_EAB_KEY_ID: eab.id,
    ACME_FALLBACK_EAB_HMAC_KEY: eab.key,
  }),
  { eab: { [eab.id]: eab.key } },
);

const make = (name: string, ...rules: ReturnType<typeof rule>[]) => gatewright.create(name, ...rules);
const secure = (hostname: string, match: object = {}) =>
  rule(hostname, "web-1", backend.port, match, { tls: true });
const certificates = async () => (await call<Certificate[]>(`${gatewright.url}/certificates`)).body;

describe("certificates without a DNS provider", () => {
  it("get a certificate without any rule on HTTP_PORT, from the fallback authority with its account binding", async () => {
    const created = await make("one", secure("one.example.test"));
    expect(created.status, created.text).toBe(201);
    const host = "one.example.test";
    const shown = await eventually(() => handshake(host));
    expect(shown.names).toBe("DNS:one.example.test");
    const answer = await visitSecurely(host);
    expect(JSON.parse(answer.text)).toMatchObject({ backend: "one", host });
  });

  it("keep the account binding's key in one private file", async () => {
    const { holders } = await privateFiles(gatewright.dataDir, eab.key);
    expect(holders).toEqual(["caddy/acme-fallback-eab.key"]);
    expect(gatewright.output()).not.toContain(eab.key);
  });

  it("refuse what needs DNS-01, with the reason", async () => {
    const refused = await make("wild", rule("{instance}.example.test", "{instance}", 80, {}, { tls: true }));
    expect(refused.status).toBe(400);
    expect(refused.text).toContain("takes the DNS challenge");
    expect(refused.text).toContain("ACME_DNS_PROVIDER");
  });

  it("keep trying while the authority is down, tell so, and succeed when it is back", async () => {
    await world.pebble.disconnect();
    const host = "late.example.test";
    expect((await make("late", secure(host))).status).toBe(201);
    const failed = await eventually(async () => {
      const found = (await certificates()).find(({ id }) => id === host);
      expect(found?.state).toBe("failed");
      return found;
    });
    expect(failed?.error?.message).toContain("does not answer");
    const status = await call<IngressStatus>(`${gatewright.url}/ingresses/late/status`);
    expect(status.body.conditions.find(({ type }) => type === "CertificateReady")).toMatchObject({
      status: "False",
      reason: "Failed",
    });
    expect((await visitSecurely("one.example.test")).status).toBe(200);
    await world.pebble.connect();
    // It is tried again a minute after the first failure, whatever is loaded; a rule that is made again has it tried at once.
    expect((await call(`${gatewright.url}/ingresses/late`, { method: "DELETE" })).status).toBe(204);
    expect((await make("late", secure(host))).status).toBe(201);
    await eventually(() => handshake(host));
  });
});

describe("the internal authority", () => {
  it("signs without ACME, for development", async () => {
    const created = await make(
      "dev",
      rule("dev.internal", "web-1", backend.port, {}, { tls: true, tls_options: { issuer: "internal" } }),
    );
    expect(created.status, created.text).toBe(201);
    const pki = await eventually(async () => {
      const answer = await askCaddy<{ root_certificate: string; intermediate_certificate: string }>(
        gatewright.ports.admin,
        "/pki/ca/local",
      );
      expect(answer.status).toBe(200);
      return answer.body;
    });
    const root = pki.root_certificate;
    const shown = await eventually(() => handshake("dev.internal", { ca: root }));
    expect(shown.names).toBe("DNS:dev.internal");
    expect((await certificates()).find(({ id }) => id === "dev.internal")?.source).toBe("internal");
  });
});

describe.each([
  { challenge: "HTTP-01", broken: "tls-alpn-01" },
  { challenge: "TLS-ALPN-01", broken: "http-01" },
] as const)("$challenge alone", ({ broken }) => {
  it("is solved beside other rules on its port, plain and secure ones on one port included", async () => {
    await using narrow = await startTlsWorld({ broken });
    await using other = await startGatewright(narrow.ports);
    await putInstance(other.url, "web-1", "127.0.0.1");
    const port = narrow.httpsPort;
    const rules = [
      secure("first.example.test"),
      rule("first.example.test", "web-1", backend.port),
      rule("plain.test", "web-1", backend.port, { port }),
    ];
    const created = await createIngress({ url: other.url, name: "first", rules });
    expect(created.status, created.text).toBe(201);
    const shown = await eventually(() => handshake("first.example.test", { port, ca: narrow.ca }));
    expect(shown.names).toBe("DNS:first.example.test");
    expect((await visitSecurely("first.example.test", { port, ca: narrow.ca })).status).toBe(200);
    expect((await visit<Seen>(narrow.httpPort, "first.example.test")).body.backend).toBe("one");
    expect((await visit<Seen>(port, "plain.test")).body.backend).toBe("one");
  });
});
