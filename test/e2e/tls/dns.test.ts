import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { Certificate, IngressStatus } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { privateFiles } from "../../support/acme/private-files.ts";
import { cloudflareToken } from "../../support/acme/tls-world.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { askCaddy, call, rule, visit } from "../../support/api.ts";
import type { Seen } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";

const { world, gatewright, backend, handshake, visitSecurely } = useTlsSite((made) => made.dnsChallenge);

const secure = (hostname: string, instance = "web-1", match: object = {}) =>
  rule(hostname, instance, backend.port, match, { tls: true });
const make = (name: string, ...rules: ReturnType<typeof secure>[]) => gatewright.create(name, ...rules);

const certificates = async () => (await call<Certificate[]>(`${gatewright.url}/certificates`)).body;

describe("DNS-01", () => {
  it("gets a certificate for a literal hostname, and one for the wildcard of a pattern", async () => {
    const created = await make("literal", secure("shop.example.test"));
    expect(created.status, created.text).toBe(201);
    const shown = await eventually(() => handshake("shop.example.test"));
    expect(shown.names).toBe("DNS:shop.example.test");
    await gatewright.put("vm-7", "127.0.0.1");
    expect((await make("pattern", secure("{instance}.prod.example.test", "{instance}"))).status).toBe(400);
    const pattern = await make("pattern", secure("{instance}.dev.example.test", "{instance}"));
    expect(pattern.status, pattern.text).toBe(201);
    const wild = await eventually(() => handshake("vm-7.dev.example.test"));
    expect(wild.names).toBe("DNS:*.dev.example.test");
    for (const host of ["shop.example.test", "vm-7.dev.example.test"]) {
      const answer = await visitSecurely(host);
      expect(answer.status, answer.text).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ backend: "one", host });
    }
    expect(world.cloudflare.created()).toBe(2);
    expect(world.pebble.issued()).toBe(2);
  });

  it("needs one certificate for the same name on two ports, beside plain rules on one of them", async () => {
    const port = await freePort();
    const orders = world.pebble.orders();
    const two = await make(
      "two",
      secure("two.example.test"),
      secure("two.example.test", "web-1", { port }),
      rule("plain.elsewhere.test", "web-1", backend.port, { port }),
    );
    expect(two.status, two.text).toBe(201);
    const host = "two.example.test";
    await eventually(() => handshake(host));
    const shown = await eventually(() => handshake(host, { port }));
    expect(shown.names).toBe("DNS:two.example.test");
    expect(world.pebble.orders()).toBe(orders + 1);
    expect((await visitSecurely(host, { port })).status).toBe(200);
    expect((await visit<Seen>(port, "plain.elsewhere.test")).body.backend).toBe("one");
    // The host of a plain rule never gets a certificate, nor is it served with another's.
    await expect(handshake("plain.elsewhere.test", { port })).rejects.toThrow();
    expect(world.dns.questions.filter((name) => name.includes("plain"))).toEqual([]);
  });

  it("orders each name once, although names come faster than they are validated", async () => {
    const before = world.pebble.orders();
    const names = Array.from({ length: 8 }, (_, index) => `fast-${index}.example.test`);
    for (const name of names) {
      expect((await make(name.replaceAll(".", "-"), secure(name))).status).toBe(201);
      // The others come while the first is being validated.
      await until(() => world.pebble.orders() > before);
    }
    await Promise.all(names.map((host) => eventually(() => handshake(host))));
    expect(world.pebble.orders()).toBe(before + names.length);
  }, 60_000);

  it("tells names, issuer, validity and renewal of what is served", async () => {
    const [certificate] = (await certificates()).filter(({ id }) => id === "shop.example.test");
    expect(certificate).toMatchObject({
      source: "acme",
      state: "ready",
      names: ["shop.example.test"],
      used_by: 1,
    });
    expect(certificate?.issuer).toMatch(/^CN=Pebble/);
    const [start, renewal, end] = [
      certificate?.not_before,
      certificate?.renews_at,
      certificate?.not_after,
    ].map((text) => Date.parse(text ?? ""));
    expect(((renewal ?? 0) - (start ?? 0)) / ((end ?? 0) - (start ?? 0))).toBeCloseTo(2 / 3, 3);
    const status = await call<IngressStatus>(`${gatewright.url}/ingresses/literal/status`);
    const ready = status.body.conditions.find(({ type }) => type === "CertificateReady");
    expect(ready).toMatchObject({ status: "True", reason: "Ready" });
    const one = await call<Certificate>(`${gatewright.url}/certificates/shop.example.test`);
    expect(one.body.serial).toBe(certificate?.serial);
  });

  it("shares no wildcard and orders nothing for names that the settings do not allow", async () => {
    const refused = await make("foreign", secure("shop.elsewhere.test"));
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ code: "domain_not_allowed" });
    const upper = await make("upper", secure("UPPER.Example.TEST"));
    expect(upper.status, upper.text).toBe(201);
    await eventually(() => handshake("upper.example.test"));
  });

  it("tells of a token that is refused without repeating it, and goes on when it works again", async () => {
    world.cloudflare.token = "another_token_that_gatewright_does_not_have";
    const refused = await make(
      "refused",
      secure("refused.example.test"),
      rule("beside.test", "web-1", backend.port),
    );
    expect(refused.status, refused.text).toBe(201);
    const failed = await eventually(async () => {
      const found = (await certificates()).find(({ id }) => id === "refused.example.test");
      expect(found).toMatchObject({ state: "failed" });
      return found;
    });
    expect(failed?.error?.message).toMatch(
      /^Cloudflare refused the token: CLOUDFLARE_API_TOKEN must be valid/,
    );
    // Neither other names nor plain rules wait for it.
    expect((await visit<Seen>(world.httpPort, "beside.test")).status).toBe(200);
    expect((await visitSecurely("shop.example.test")).status).toBe(200);
    const answers = await Promise.all(
      ["/certificates", "/ingresses/refused/status", "/status", "/metrics"].map((path) =>
        call(`${gatewright.url}${path}`),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(answers[1]?.text).toContain("Cloudflare refused the token");
    expect(answers[2]?.body).toMatchObject({ status: "degraded", certificates: { failed: 1 } });
    expect(answers[3]?.text).toContain('gatewright_certificates{state="failed"} 1');
    const everything = [gatewright.output(), ...answers.map(({ text }) => text)].join("\n");
    expect(everything).not.toContain(cloudflareToken);
    world.cloudflare.token = cloudflareToken;
  });

  it("keeps the token in one file of mode 0600 and out of every other, and out of the process list", async () => {
    const { holders, open } = await privateFiles(gatewright.dataDir, cloudflareToken);
    expect(holders).toEqual(["caddy/cloudflare.token"]);
    expect(open).toEqual([]);
    const config = await askCaddy(gatewright.ports.admin, "/config/");
    expect(config.text).toContain("{file.");
    expect(config.text).not.toContain(cloudflareToken);
    const pid = await gatewright.caddyPid();
    for (const file of ["cmdline", "environ"])
      expect(await readFile(`/proc/${pid}/${file}`, "utf8")).not.toContain(cloudflareToken);
  });

  it("takes a changed token at once, with the Caddy that runs, for names that failed with the one before", async () => {
    const token = "the_next_token_of_forty_characters_at_all";
    world.cloudflare.token = token;
    const host = "later.example.test";
    expect((await make("later", secure(host))).status).toBe(201);
    await until(async () => (await certificates()).find(({ id }) => id === host)?.state === "failed");
    const pid = await gatewright.caddyPid();
    await gatewright.stop();
    await gatewright.start({ environment: { CLOUDFLARE_API_TOKEN: token } });
    // It would be tried again in a minute.
    await eventually(() => handshake(host));
    expect(await gatewright.caddyPid()).toBe(pid);
    expect((await askCaddy(gatewright.ports.admin, "/config/")).text).not.toContain(token);
    world.cloudflare.token = cloudflareToken;
  }, 60_000);

  it("stops serving, and reports, what the allow-list does not cover any more", async () => {
    await gatewright.stop();
    await gatewright.start({ environment: { TLS_ALLOWED_DOMAINS: "shop.example.test" } });
    expect((await visitSecurely("shop.example.test")).status).toBe(200);
    await expect(handshake("two.example.test")).rejects.toThrow();
    expect((await visit<Seen>(world.httpPort, "beside.test")).status).toBe(200);
    const status = await call<IngressStatus>(`${gatewright.url}/ingresses/two/status`);
    expect(status.body.conditions.find(({ type }) => type === "CertificateReady")).toMatchObject({
      status: "False",
      reason: "NotAllowed",
    });
    expect((await certificates()).map(({ id }) => id)).toEqual(["shop.example.test"]);
    expect(gatewright.output()).toContain(
      "a rule is not served: the settings do not let it have a certificate",
    );
  });
});
