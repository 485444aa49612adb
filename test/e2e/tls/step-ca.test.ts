import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { openSwingDoor } from "../../support/acme/door.ts";
import { eventually, handshake } from "../../support/acme/handshake.ts";
import { startStepCa } from "../../support/acme/step-ca.ts";
import { startZoneDns } from "../../support/acme/zone-dns.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import type { Gatewright } from "../../support/gatewright.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

/** A Gatewright that gets certificates from a step-ca which offers one challenge. */
function useSite(challenge: "http-01" | "tls-alpn-01") {
  const folder = use(() => temporaryFolder());
  const dns = use(() => startZoneDns({ zone: "example.test", texts: () => [] }));
  const ports = use(async () => ({ http: await freePort(), https: await freePort(), way: await freePort() }));
  /** The authority's way to our port for HTTP-01. */
  const way = use(() => openSwingDoor(ports.way, ports.http));
  const authority = use(() =>
    startStepCa({
      challenge,
      httpPort: ports.way,
      tlsPort: ports.https,
      dns: dns.address,
      // A third of the life is left 35 s before its end.
      validity: challenge === "http-01" ? "45s" : "6m",
      refused: ["refused.example.test"],
    }),
  );
  const backend = use(() => startBackend());
  const gatewright = useGatewright(async () => {
    const root = join(folder.path, "root.pem");
    await writeFile(root, authority.root);
    return {
      HTTP_PORT: String(ports.http),
      HTTPS_PORT: String(ports.https),
      ACME_EMAIL: "ops@example.test",
      ACME_CA: authority.directory,
      ACME_CA_ROOT: root,
      TLS_ALLOWED_DOMAINS: "*.example.test",
      ACME_TIMEOUT: "5s",
      DRIFT: "report",
      TLS_RENEW_INTERVAL: "1s",
    };
  }, ["web-1"]);
  const shown = (host: string) => handshake({ host, port: ports.https, ca: authority.root });
  const secure = (host: string) =>
    gatewright.make(host.split(".")[0] ?? host, rule(host, "web-1", backend.port, {}, { tls: true }));
  const certificate = async (host: string) =>
    (await call<Certificate>(`${gatewright.url}/certificates/${host}`)).body;
  return { authority, gatewright, way, shown, secure, certificate };
}

/** Gives the app of certificates in the running Caddy an option that it has not. */
function setOption({ ports }: Pick<Gatewright, "ports">, name: string, value: unknown) {
  const origin = `http://127.0.0.1:${ports.admin}`;
  const path = `/config/apps/gatewright_certificates/${name}`;
  return call(`${origin}${path}`, { method: "PUT", headers: { origin }, body: JSON.stringify(value) });
}

describe("E12: step-ca by HTTP-01", () => {
  const { authority, gatewright, way, shown, secure, certificate } = useSite("http-01");

  it("issues, and renews a short-lived certificate before it ends, without a failed handshake", async () => {
    const host = "short.example.test";
    await secure(host);
    const before = await eventually(() => shown(host), 60_000);
    expect(before.names).toBe(`DNS:${host}`);
    let failures = 0;
    const after = await eventually(async () => {
      const now = await shown(host).catch((error: unknown) => {
        failures += 1;
        throw error;
      });
      expect(now.serial).not.toBe(before.serial);
      return now;
    }, 90_000);
    expect(after.notAfter.getTime()).toBeGreaterThan(before.notAfter.getTime());
    expect(failures).toBe(0);
    expect(await certificate(host)).toMatchObject({ state: "ready" });
  }, 180_000);

  it("that refuses a name says so, with what to do", async () => {
    const host = "refused.example.test";
    await secure(host);
    await until(async () => (await certificate(host)).error !== undefined, 60_000);
    expect((await certificate(host)).error?.message).toMatch(
      /does not issue for this name.*ACME_CA.*rejectedIdentifier/s,
    );
  }, 90_000);

  it("that is down, or does not reach us, is said to be, and issues when that is mended", async () => {
    await authority.disconnect();
    const later = "later.example.test";
    await secure(later);
    await until(async () => (await certificate(later)).error !== undefined, 60_000);
    expect((await certificate(later)).error?.message).toContain("the authority does not answer");
    await authority.connect();
    // It leaves an order undecided where it gets no answer to its question.
    await way.disconnect();
    const stuck = "stuck.example.test";
    await secure(stuck);
    const states = new Set<string>();
    await until(async () => {
      const { state, error } = await certificate(stuck);
      states.add(`${state}${error === undefined ? "" : ", failed before"}`);
      return error !== undefined && state === "failed";
    }, 90_000);
    expect([...states]).toEqual(["pending", "failed, failed before"]);
    expect((await certificate(stuck)).error?.message).toMatch(
      /left the order undecided .*\(ACME_TIMEOUT\).* reaches this machine by the name, on HTTP_PORT/,
    );
    await way.connect();
    // In the place of a wait of a minute: with other credentials, names that have failed are tried at once.
    expect((await setOption(gatewright, "credentials", "others")).status).toBe(200);
    for (const host of [later, stuck]) {
      await until(async () => (await certificate(host)).state === "ready", 60_000);
      expect((await certificate(host)).error).toBeUndefined();
    }
  }, 330_000);
});

describe("E12: step-ca by TLS-ALPN-01", () => {
  const { gatewright, shown, secure, certificate } = useSite("tls-alpn-01");

  it("issues certificates of six minutes, and renews them without a failed handshake", async () => {
    const host = "alpn.example.test";
    await secure(host);
    const before = await eventually(() => shown(host), 60_000);
    const { not_before = "", not_after = "", renews_at = "" } = await certificate(host);
    expect(Date.parse(not_after) - Date.parse(not_before)).toBe(7 * 60_000);
    // It is dated back by a minute.
    expect(Date.parse(not_after) - Date.parse(renews_at)).toBe((7 * 60_000) / 3);
    // In the place of a wait of four minutes: from now on it is due with 84 % of its life left, seven seconds after the
    // order. What Gatewright still had to load may take that away once.
    const makeDue = () => setOption(gatewright, "renewal_window_ratio", 0.84);
    let failures = 0;
    let last = before;
    for (let renewal = 0; renewal < 2; renewal += 1) {
      last = await eventually(async () => {
        expect([200, 409]).toContain((await makeDue()).status);
        const now = await shown(host).catch((error: unknown) => {
          failures += 1;
          throw error;
        });
        expect(now.serial).not.toBe(last.serial);
        return now;
      }, 60_000);
      // It goes on being due: what is shown by now may be a later one.
      await until(async () => {
        last = await shown(host);
        return (await certificate(host)).serial === last.serial.toLowerCase();
      }, 60_000);
    }
    expect(failures).toBe(0);
    expect(await certificate(host)).toMatchObject({ state: "ready" });
    expect((await certificate(host)).error).toBeUndefined();
  }, 180_000);
});
