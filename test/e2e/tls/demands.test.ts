import { beforeAll, describe, expect, it } from "vitest";
import type { Certificate, IngressRuleInput } from "../../../src/model/api.ts";
import { handshake, visitSecurely } from "../../support/acme/handshake.ts";
import { createTestAuthority, type PemPair } from "../../support/acme/test-authority.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { openTlsLines, startLineServer } from "../../support/streams.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const authority = use(createTestAuthority);
const clients = use(() => createTestAuthority("Clients"));
const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1", "web-eu"]);
const backend = use(() => startBackend("one"));
let shown: PemPair;

beforeAll(async () => {
  shown = await clients.issue({ commonName: "ann" });
});

/** Imports a certificate for names. */
async function importFor(name: string, ...names: string[]): Promise<void> {
  const { certificate, key } = await authority.issue({ names });
  const body = { name, certificate_pem: certificate, key_pem: key };
  expect((await call<Certificate>(`${gatewright.url}/certificates`, { body })).status).toBe(201);
}

const secure = (hostname: string, port: number, options: object, match: object = {}): IngressRuleInput =>
  rule(hostname, "web-1", backend.port, { port, ...match }, { tls: true, tls_options: options });
const demanding = () => ({ client_auth: { mode: "require", ca_pem: clients.pem } });

describe("D3: options of hosts whose wildcard is not the leftmost label, or not the only one", () => {
  it.each([
    ["api.{region}.d3.test", "web-{region}", "api.*.d3.test", "api.eu.d3.test"],
    ["*.*.d3.test", "web-1", "*.*.d3.test", "x.y.d3.test"],
  ])("hold for %s", async (hostname, instance, shape, host) => {
    const port = await freePort();
    const name = `d3-${port}`;
    await importFor(name, shape, host);
    await gatewright.make(name, {
      ...secure(hostname, port, { certificate: name, min_version: "1.3", ...demanding() }),
      target: { instance, port: backend.port },
    });
    const base = { port, host, ca: authority.pem };
    const known = { ...base, cert: shown.certificate, key: shown.key };
    expect((await visitSecurely(known)).status).toBe(200);
    await expect(visitSecurely(base)).rejects.toThrow();
    await expect(handshake({ ...known, maxVersion: "TLSv1.2" })).rejects.toThrow();
  });
});

describe("D4: what a row demands of TLS", () => {
  it.each(["alone", "with plain rules"])(
    "holds for requests that fall through to it, on a port %s",
    async (kind) => {
      const port = await freePort();
      const [name, domain] = [`d4-${port}`, `d4-${port}.test`];
      await importFor(name, `*.${domain}`);
      const www = `www.${domain}`;
      const health = { path: { type: "prefix", value: "/health" } };
      const rules = [
        secure(`*.${domain}`, port, { certificate: name, ...demanding() }),
        secure(www, port, { certificate: name, min_version: "1.2" }, health),
        ...(kind === "alone" ? [] : [rule("plain.test", "web-1", backend.port, { port })]),
      ];
      await gatewright.make(name, ...rules);
      const base = { port, host: www, ca: authority.pem };
      const known = { ...base, cert: shown.certificate, key: shown.key };
      expect((await visitSecurely({ ...base, path: "/health" })).status).toBe(200);
      const before = backend.requests();
      expect((await visitSecurely({ ...base, path: "/secret" })).status).toBe(421);
      expect(backend.requests()).toBe(before);
      expect((await visitSecurely({ ...known, path: "/secret" })).status).toBe(200);
      const eve = await authority.issue({ commonName: "eve" });
      const stranger = { ...base, cert: eve.certificate, key: eve.key };
      // Node shows its certificate whatever authorities are named.
      expect((await visitSecurely({ ...stranger, path: "/secret" })).status).toBe(403);
      expect((await visitSecurely({ ...stranger, path: "/health" })).status).toBe(200);
    },
  );

  it("comes and goes without another configuration", async () => {
    const port = await freePort();
    await importFor("soft", "*.soft.test");
    await gatewright.make("soft-wild", secure("*.soft.test", port, { certificate: "soft" }));
    const version = async () =>
      (await askCaddy<{ config: string }>(gatewright.ports.admin, "/gatewright/state")).body.config;
    const before = await version();
    await gatewright.make("soft-host", secure("a.soft.test", port, { certificate: "soft", ...demanding() }));
    const base = { port, host: "a.soft.test", ca: authority.pem };
    await expect(visitSecurely(base)).rejects.toThrow();
    expect((await visitSecurely({ ...base, cert: shown.certificate, key: shown.key })).status).toBe(200);
    expect((await visitSecurely({ ...base, host: "b.soft.test" })).status).toBe(200);
    expect((await call(`${gatewright.url}/ingresses/soft-host`, { method: "DELETE" })).status).toBe(204);
    expect((await visitSecurely(base)).status).toBe(200);
    expect(await version()).toBe(before);
  });
});

describe("D5: a host with many paths and none for all of them", () => {
  it("keeps its connections beside a wildcard that is passed on", async () => {
    const port = await freePort();
    const { certificate, key } = await authority.issue({ names: ["*.d5.test"] });
    await using passed = await startLineServer("passed", { tls: { cert: certificate, key } });
    await importFor("d5", "www.d5.test");
    const paths = Array.from({ length: 17 }, (_, index) =>
      secure("www.d5.test", port, { certificate: "d5" }, { path: { type: "prefix", value: `/p${index}` } }),
    );
    await gatewright.make("d5", ...paths);
    await gatewright.make("d5-passed", {
      match: { protocol: "tls", hostname: "*.d5.test", port },
      target: { instance: "web-1", port: passed.port },
    });
    const options = { port, host: "www.d5.test", ca: authority.pem };
    expect((await visitSecurely({ ...options, path: "/p16/x" })).status).toBe(200);
    expect((await visitSecurely({ ...options, path: "/other" })).status).toBe(404);
    using other = await openTlsLines({ port, servername: "any.d5.test", ca: authority.pem });
    expect(await other.ask("hello")).toBe("passed hello");
  });
});
