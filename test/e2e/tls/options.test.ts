import { lstat } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Certificate, IngressStatus } from "../../../src/model/api.ts";
import { eventually, handshake, visitSecurely } from "../../support/acme/handshake.ts";
import { createTestAuthority, type PemPair, type TestAuthority } from "../../support/acme/test-authority.ts";
import { askCaddy, call, createIngress, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const authority = use(createTestAuthority);
// No ACME at all: imported certificates and the internal authority need none.
const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);
const backend = use(() => startBackend("one"));

const importPair = (name: string, pair: PemPair) =>
  call<Certificate>(`${gatewright.url}/certificates`, {
    body: { name, certificate_pem: pair.certificate, key_pem: pair.key },
  });
const make = (name: string, hostname: string, options: object, match: object = {}, more: object = {}) =>
  createIngress({
    url: gatewright.url,
    name,
    rules: [rule(hostname, "web-1", backend.port, match, { tls: true, tls_options: options, ...more })],
  });

describe("imported certificates", () => {
  it("are served by rules that name them, and replaced without an outage", async () => {
    const host = "shop.imported.test";
    const first = await authority.issue({ names: [host] });
    const imported = await importPair("shop", first);
    expect(imported.status, imported.text).toBe(201);
    expect(imported.body).toMatchObject({ source: "imported", names: [host], state: "ready", used_by: 0 });
    const created = await make("shop", host, { certificate: "shop" });
    expect(created.status, created.text).toBe(201);
    expect(created.body.rules[0]?.tls_options?.certificate).toBe(imported.body.id);
    const options = { port: gatewright.ports.https, host, ca: authority.pem };
    const shown = await handshake(options);
    let failures = 0;
    let handshakes = 0;
    let done = false;
    const visiting = (async () => {
      while (!done) {
        handshakes += 1;
        await handshake(options).catch(() => (failures += 1));
      }
    })();
    const second = await authority.issue({ names: [host, "www.imported.test"] });
    const replaced = await importPair("shop", second);
    expect(replaced.status, replaced.text).toBe(200);
    expect(replaced.body).toMatchObject({ id: imported.body.id, used_by: 1 });
    const after = await handshake(options);
    done = true;
    await visiting;
    expect(after.serial).not.toBe(shown.serial);
    expect(after.serial.toLowerCase()).toBe(replaced.body.serial);
    expect({ failures, some: handshakes > 0 }).toEqual({ failures: 0, some: true });
  });

  it("survive a restart, and are served by a Caddy that died", async () => {
    await gatewright.stop("SIGKILL");
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await gatewright.start();
    const shown = await handshake({
      port: gatewright.ports.https,
      host: "shop.imported.test",
      ca: authority.pem,
    });
    expect(shown.names).toContain("www.imported.test");
  });

  it("cannot be deleted while a rule uses them", async () => {
    const url = `${gatewright.url}/certificates/shop`;
    const refused = await call(url, { method: "DELETE" });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: "certificate_in_use" });
    expect((await call(`${gatewright.url}/ingresses/shop`, { method: "DELETE" })).status).toBe(204);
    expect((await call(url, { method: "DELETE" })).status).toBe(204);
    expect((await call(url)).status).toBe(404);
  });

  it.each([
    [
      "another key",
      async () => ({
        ...(await authority.issue({ names: ["a.test"] })),
        key: (await authority.issue({ names: ["a.test"] })).key,
      }),
      "not the certificate's",
    ],
    ["a weak key", () => authority.issue({ names: ["a.test"], rsaBits: 1024 }), "weak RSA key"],
    [
      "an expired certificate",
      () => authority.issue({ names: ["a.test"], notAfter: new Date(Date.now() - 1000) }),
      "expired",
    ],
    [
      "a certificate of the future",
      () => authority.issue({ names: ["a.test"], notBefore: new Date(Date.now() + 60_000) }),
      "not valid before",
    ],
    ["no names", () => authority.issue({ commonName: "a.test" }), "no DNS names"],
    ["no certificate", async () => ({ certificate: "hello", key: "hello" }), "no PEM certificate"],
  ])("are refused: %s", async (_, pair, reason) => {
    const { certificate, key } = await pair();
    const refused = await importPair("bad", { certificate, key });
    expect(refused.status, refused.text).toBe(400);
    expect(refused.text).toContain(reason);
    const [, secret = "-"] = key.split("\n");
    expect(refused.text).not.toContain(secret.length > 20 ? secret : "hello\\n");
  });

  it("are refused by rules of other hostnames, and when they do not exist", async () => {
    expect((await importPair("other", await authority.issue({ names: ["*.other.test"] }))).status).toBe(201);
    const wrong = await make("wrong", "shop.imported.test", { certificate: "other" });
    expect(wrong.body).toMatchObject({ code: "certificate_not_found" });
    expect(wrong.text).toContain("*.other.test");
    const missing = await make("missing", "a.other.test", { certificate: "nobody" });
    expect(missing.body).toMatchObject({ code: "certificate_not_found" });
    expect(
      (
        await make(
          "right",
          "{instance}.other.test",
          { certificate: "other" },
          {},
          { target: { instance: "{instance}", port: 80 } },
        )
      ).status,
    ).toBe(201);
    expect((await call(`${gatewright.url}/ingresses/right`, { method: "DELETE" })).status).toBe(204);
  });

  it("keep their keys in private files, and out of every answer and log", async () => {
    const pair = await authority.issue({ names: ["secret.imported.test"] });
    const { body } = await importPair("secret", pair);
    expect((await make("secret", "secret.imported.test", { certificate: "secret" })).status).toBe(201);
    const [, secretLine = "?"] = pair.key.split("\n");
    const file = join(gatewright.dataDir, "caddy/certificates", `${body.id}.pem`);
    expect((await lstat(file)).mode & 0o777).toBe(0o600);
    expect((await lstat(join(file, ".."))).mode & 0o777).toBe(0o700);
    const answers = await Promise.all([
      call(`${gatewright.url}/certificates`),
      call(`${gatewright.url}/certificates/secret`),
      call(`${gatewright.url}/ingresses/secret`),
      askCaddy(gatewright.ports.admin, "/config/"),
    ]);
    for (const { status, text } of answers)
      expect({ status, leaks: text.includes(secretLine) }).toEqual({ status: 200, leaks: false });
    expect(gatewright.output()).not.toContain(secretLine);
  });
});

describe("tls_options", () => {
  it("demand a client certificate of the given authority, whatever Host a connection then names", async () => {
    const clients = await createTestAuthority("Clients");
    const strangers = await createTestAuthority("Strangers");
    const port = await freePort();
    expect((await importPair("mtls", await authority.issue({ names: ["*.mtls.test"] }))).status).toBe(201);
    const auth = { certificate: "mtls", client_auth: { ca_pem: clients.pem, mode: "require" } };
    expect((await make("guarded", "guarded.mtls.test", auth, { port })).status).toBe(201);
    expect((await make("open", "open.mtls.test", { certificate: "mtls" }, { port })).status).toBe(201);
    const base = { port, host: "guarded.mtls.test", ca: authority.pem };
    const good = await clients.issue({ commonName: "ann" });
    const bad = await strangers.issue({ commonName: "eve" });
    expect((await visitSecurely({ ...base, cert: good.certificate, key: good.key })).status).toBe(200);
    await expect(visitSecurely(base)).rejects.toThrow();
    await expect(visitSecurely({ ...base, cert: bad.certificate, key: bad.key })).rejects.toThrow();
    const open = { ...base, host: "open.mtls.test" };
    expect((await visitSecurely(open)).status).toBe(200);
    // A connection that was opened for another host must not reach the guarded one.
    expect((await visitSecurely({ ...open, hostHeader: "guarded.mtls.test" })).status).toBe(421);
    // The same where plain rules share the port, and TLS is ended in front of the server.
    const plain = await createIngress({
      url: gatewright.url,
      name: "plain",
      rules: [rule("plain.test", "web-1", backend.port, { port })],
    });
    expect(plain.status, plain.text).toBe(201);
    // The port's listener is replaced: a connection to the old one may be reset.
    const again = await eventually(() => visitSecurely({ ...base, cert: good.certificate, key: good.key }));
    expect(again.status).toBe(200);
    await expect(visitSecurely(base)).rejects.toThrow();
    expect((await visitSecurely({ ...open, hostHeader: "guarded.mtls.test" })).status).toBe(421);
  });

  it("hold the lowest version, and send HSTS", async () => {
    expect((await importPair("modern", await authority.issue({ names: ["modern.test"] }))).status).toBe(201);
    const hsts = { max_age_seconds: 3600, include_subdomains: true };
    const created = await make("modern", "modern.test", { certificate: "modern", min_version: "1.3", hsts });
    expect(created.status, created.text).toBe(201);
    const base = { port: gatewright.ports.https, host: "modern.test", ca: authority.pem };
    expect((await handshake(base)).protocol).toBe("TLSv1.3");
    await expect(handshake({ ...base, maxVersion: "TLSv1.2" })).rejects.toThrow();
    const answer = await visitSecurely(base);
    expect(answer.headers["strict-transport-security"]).toBe("max-age=3600; includeSubDomains");
  });

  it("conflict with other options for the same host and port, and with nothing else", async () => {
    const same = { certificate: "modern", min_version: "1.3" };
    const path = { path: { type: "prefix", value: "/api" } };
    const other = await make("other", "modern.test", { certificate: "modern" }, path);
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({ code: "tls_options_conflict" });
    expect((await make("same", "modern.test", same, path)).status).toBe(201);
  });

  it.each([
    [{ client_auth: { mode: "require" } }, {}, "rules[0].tls_options.client_auth.ca_pem"],
    [{ client_auth: { ca_pem: "hello" } }, {}, "rules[0].tls_options.client_auth.ca_pem"],
    [{ certificate: "modern", issuer: "internal" }, {}, "rules[0].tls_options.issuer"],
    [{ hsts: { preload: true } }, {}, "rules[0].tls_options.hsts.preload"],
    [{ min_version: "1.2" }, { tls: false }, "rules[0].tls_options"],
  ])("are refused where they make no sense: %j", async (options, more, field) => {
    const refused = await make("senseless", "senseless.test", options, {}, more);
    expect(refused.status, refused.text).toBe(400);
    expect(JSON.parse(refused.text).details.map((one: { field: string }) => one.field)).toContain(field);
  });
});

describe("a root of the authority that cannot be read", () => {
  it("stops the start, since Caddy would refuse everything with it", async () => {
    const settings = { ACME_EMAIL: "ops@example.test", ACME_CA_ROOT: "/nowhere/root.pem" };
    await expect(startGatewright(settings)).rejects.toThrow(
      /ACME_CA_ROOT: \/nowhere\/root.pem is no readable/,
    );
  });
});

describe("upstream.tls", () => {
  let server: Server;
  let port: number;
  let instances: TestAuthority;
  let clients: TestAuthority;

  beforeAll(async () => {
    instances = await createTestAuthority("Instances");
    clients = await createTestAuthority("Client Authority");
    const pair = await instances.issue({ names: ["web.internal"] });
    server = createServer(
      {
        cert: pair.certificate,
        key: pair.key,
        ca: clients.pem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        if (request.url === "/demanding")
          response.statusCode = socket.servername !== "web.internal" ? 421 : socket.authorized ? 200 : 403;
        response.end(
          JSON.stringify({ verified: socket.authorized, subject: socket.getPeerCertificate()?.subject }),
        );
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => void server?.close());

  const serve = async (name: string, tls: object) => {
    const created = await createIngress({
      url: gatewright.url,
      name,
      rules: [rule(`${name}.test`, "web-1", port, {}, { upstream: { scheme: "https", tls } })],
    });
    expect(created.status, created.text).toBe(201);
    return eventually(async () => {
      const answer = await call<{ verified: boolean; subject?: { CN?: string } }>(
        `http://127.0.0.1:${gatewright.ports.http}/`,
        { headers: { host: `${name}.test` } },
      );
      return answer;
    });
  };

  it("verifies the instance by name and authority, and shows it a certificate", async () => {
    const pair = await clients.issue({ names: ["gatewright.test"], commonName: "gatewright" });
    expect((await importPair("client", pair)).status).toBe(201);
    const trusted = { server_name: "web.internal", ca_pem: instances.pem };
    const both = await serve("both", { ...trusted, certificate: "client" });
    expect(both.body).toMatchObject({ verified: true, subject: { CN: "gatewright" } });
    expect((await serve("anonymous", trusted)).body).toMatchObject({ verified: false });
    expect((await serve("wrong-name", { ...trusted, server_name: "other.internal" })).status).toBe(502);
    expect(
      (await serve("wrong-authority", { server_name: "web.internal", ca_pem: clients.pem })).status,
    ).toBe(502);
    expect((await serve("unverified", { insecure_skip_verify: true })).status).toBe(200);
    expect(gatewright.output()).toContain(
      "a rule takes any certificate of its instance (insecure_skip_verify)",
    );
    expect((await call(`${gatewright.url}/certificates/client`, { method: "DELETE" })).status).toBe(409);
  });

  it("has health checks name the server and show the certificate as requests do", async () => {
    const pair = await clients.issue({ names: ["checks.test"], commonName: "checks" });
    expect((await importPair("checks", pair)).status).toBe(201);
    const health = async (name: string, tls: object) => {
      const policies = { health_check: { active: { interval: "100ms", path: "/demanding" } } };
      const rules = [
        rule(`${name}.test`, "web-1", port, {}, { upstream: { scheme: "https", tls }, policies }),
      ];
      const created = await createIngress({ url: gatewright.url, name, rules });
      expect(created.status, created.text).toBe(201);
      return eventually(async () => {
        const { body } = await call<IngressStatus>(`${gatewright.url}/ingresses/${name}/status`);
        const [address] = body.rules[0]?.targets[0]?.addresses ?? [];
        if (address?.health === "unknown") throw new Error("not checked yet");
        return [address?.health, address?.message];
      });
    };
    const named = { server_name: "web.internal", ca_pem: instances.pem };
    expect(await health("checked", { ...named, certificate: "checks" })).toEqual(["healthy", undefined]);
    expect(await health("checked-anonymous", named)).toEqual(["unhealthy", "status 403"]);
    expect(await health("checked-nameless", { insecure_skip_verify: true, certificate: "checks" })).toEqual([
      "unhealthy",
      "status 421",
    ]);
  });
});
