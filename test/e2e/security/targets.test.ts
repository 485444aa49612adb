import { describe, expect, it } from "vitest";
import { startDnsServer } from "../../../src/dns/server.ts";
import type { Resolution } from "../../../src/resolver/instance-resolver.ts";
import { type Answer, call, rule, visit } from "../../support/api.ts";
import { create, inform, interfaceAddresses, jwtSecret } from "../../support/authorized.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import type { Gatewright } from "../../support/gatewright.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

/** Open to this machine only, as a newcomer has it: loopback may be a target. */
const open = useGatewright();
/** Listens beyond loopback, with tokens. */
const guarded = useGatewright({
  LISTEN_ADDRESS: "0.0.0.0",
  JWT_SECRET: jwtSecret,
  TARGET_ALLOW_CIDRS: "127.0.0.2/32",
});
const backend = use(() => startBackend("loopback"));
const other = use(() => startBackend("allowed", "127.0.0.2"));

/** With the Origin that Caddy's admin endpoint would take. */
const status = (gatewright: Gatewright, host: string, path = "/"): Promise<Answer> =>
  visit(gatewright.ports.http, host, path, {
    headers: { origin: `http://127.0.0.1:${gatewright.ports.admin}` },
  });

const ownListeners = ["admin", "api", "dns"] as const;

describe("the target guard", () => {
  const claims = ["127.0.0.1", "127.0.0.2", "127.9.9.9", "::1", "::ffff:127.0.0.1", ...interfaceAddresses];

  it.each(ownListeners)(
    "refuses the %s port on every address of this machine that an instance claims",
    async (listener) => {
      const port = open.ports[listener];
      for (const [index, ip] of claims.entries()) {
        const name = `claims-${listener}-${index}`;
        expect((await inform(open, name, ip)).status).toBe(201);
        const answer = await create(open, { name, rules: [rule(`${name}.example.com`, name, port)] });
        expect([ip, answer.status, answer.body.code, answer.body.details?.[0]?.field]).toEqual([
          ip,
          400,
          "target_not_allowed",
          "rules[0].target",
        ]);
        expect((await call(`${open.url}/ingresses/${name}`)).status).toBe(404);
      }
    },
  );

  it.each(ownListeners)("refuses the %s port at request time, through a pattern", async (listener) => {
    const name = `pattern-${listener}`;
    const created = await create(open, {
      name,
      rules: [rule(`{instance}.${name}.example.com`, "{instance}", open.ports[listener])],
    });
    expect(created.status, created.text).toBe(201);
    for (const [index, ip] of claims.entries()) {
      await inform(open, `claims-${listener}-${index}`, ip);
      const answer = await status(open, `claims-${listener}-${index}.${name}.example.com`, "/config/");
      expect([ip, answer.status]).toEqual([ip, 502]);
      expect(answer.text).toContain(name);
      expect(answer.text).not.toContain("apps");
      expect(answer.text).not.toContain(ip);
    }
  });

  it("refuses an instance that moves to a listener of ours after its ingress was taken", async () => {
    await inform(open, "mover", "10.255.255.1");
    const rules = ownListeners.map((name) => rule(`mover-${name}.example.com`, "mover", open.ports[name]));
    expect((await create(open, { name: "mover", rules })).status).toBe(201);
    await inform(open, "mover", "127.0.0.1");
    for (const name of ownListeners) {
      await until(async () => (await status(open, `mover-${name}.example.com`, "/config/")).status === 502);
    }
  });

  it("refuses link-local, unspecified, multicast and broadcast addresses, at create and at request time", async () => {
    await create(open, {
      name: "metadata-pattern",
      rules: [rule("{instance}.metadata.example.com", "{instance}", 80)],
    });
    for (const [index, ip] of [
      "169.254.169.254",
      "fe80::1",
      "0.0.0.0",
      "::",
      "224.0.0.1",
      "255.255.255.255",
      "::ffff:169.254.169.254",
    ].entries()) {
      const name = `metadata-${index}`;
      // Refused as an instance, or taken and never answered to.
      const informed = await inform(open, name, ip);
      const answer = await create(open, { name, rules: [rule(`${name}.example.com`, name, 80)] });
      expect([ip, answer.status, answer.body.code]).toEqual([
        ip,
        400,
        informed.status === 201 ? "target_not_allowed" : "instance_not_found",
      ]);
      const asked = await status(open, `${name}.metadata.example.com`, "/latest/meta-data/");
      expect([502, 503]).toContain(asked.status);
    }
  });

  it("takes names for names of instances only", async () => {
    for (const name of [
      "localhost",
      "127.0.0.1",
      "169.254.169.254",
      "metadata.google.internal",
      "[::1]",
      "0x7f000001",
      "2130706433",
    ]) {
      const answer = await create(open, {
        name: "by-name",
        rules: [rule("by-name.example.com", name, open.ports.admin)],
      });
      expect([name, answer.status]).toEqual([name, 400]);
      expect(answer.body.details?.[0]?.field).toBe("rules[0].target.instance");
      if (!name.includes("["))
        expect((await inform(open, name, null)).status).toBe(
          /^[\d.]+$/.test(name) && name.includes(".") ? 400 : 201,
        );
    }
    await create(open, {
      name: "by-name",
      rules: [rule("{n}.by-name.example.com", "{n}", open.ports.admin)],
    });
    for (const name of ["localhost", "2130706433"])
      expect((await status(open, `${name}.by-name.example.com`, "/config/")).status).toBe(503);
  });

  it.each(ownListeners)(
    "refuses the %s port by address, and by a name that resolves to this machine",
    async (listener) => {
      const port = open.ports[listener];
      for (const [index, address] of [
        ...claims,
        "0.0.0.0",
        "::",
        "0x7f000001",
        "127.1",
        "2130706433",
      ].entries()) {
        const name = `address-${listener}-${index}`;
        const rules = [{ match: { hostname: `${name}.example.com` }, target: { address, port } }];
        const answer = await create(open, { name, rules });
        expect([address, answer.status, answer.body.details?.[0]?.field]).toEqual([
          address,
          400,
          "rules[0].target.address",
        ]);
      }
      // A name can lead anywhere at any time, so that it is looked at when it is asked for.
      const names = new Map([
        ["loopback", "127.0.0.1"],
        ...interfaceAddresses.map((ip, index) => [`own-${index}`, ip] as const),
      ]);
      await using dns = await dnsOf(names);
      const resolvers = [`127.0.0.1:${dns.port}`];
      for (const address of ["localhost", ...[...names.keys()].map((label) => `${label}.rebound.test`)]) {
        const name = `name-${listener}-${address.replaceAll(".", "-")}`;
        const target = { address, port, ...(address === "localhost" ? {} : { resolvers }) };
        const answer = await create(open, {
          name,
          rules: [{ match: { hostname: `${name}.example.com` }, target }],
        });
        expect(answer.status, answer.text).toBe(201);
        const asked = await status(open, `${name}.example.com`, "/config/");
        expect([address, asked.status]).toEqual([address, 502]);
        expect(asked.text).not.toContain("127.0.0.1");
      }
    },
  );

  it("reaches what a name resolves to otherwise, and never link-local addresses", async () => {
    await using dns = await dnsOf(
      new Map([
        ["good", "127.0.0.1"],
        ["metadata", "169.254.169.254"],
      ]),
    );
    for (const [label, wanted] of [
      ["good", 200],
      ["metadata", 502],
    ] as const) {
      const target = {
        address: `${label}.rebound.test`,
        port: backend.port,
        resolvers: [`127.0.0.1:${dns.port}`],
      };
      const answer = await create(open, {
        name: `by-${label}`,
        rules: [{ match: { hostname: `by-${label}.example.com` }, target }],
      });
      expect(answer.status, answer.text).toBe(201);
      expect((await status(open, `by-${label}.example.com`)).status).toBe(wanted);
    }
    for (const resolver of [
      "169.254.169.254",
      ...ownListeners.map((name) => `127.0.0.1:${open.ports[name]}`),
    ]) {
      const target = { address: "x.rebound.test", port: 80, resolvers: [resolver] };
      const answer = await create(open, {
        name: "by-x",
        rules: [{ match: { hostname: "by-x.example.com" }, target }],
      });
      expect([resolver, answer.status, answer.body.code]).toEqual([resolver, 400, "target_not_allowed"]);
    }
  });

  it("holds for forward_auth, too", async () => {
    await inform(open, "plain", backend.address);
    const urls = ownListeners.flatMap((name) => [
      `http://127.0.0.1:${open.ports[name]}/config/`,
      `http://[::1]:${open.ports[name]}/config/`,
      `http://localhost:${open.ports[name]}/config/`,
    ]);
    for (const [index, url] of [...urls, "http://169.254.169.254/latest/meta-data/"].entries()) {
      const name = `auth-${index}`;
      const policies = { forward_auth: { url, copy_headers: ["Content-Type"] } };
      const answer = await create(open, {
        name,
        rules: [{ ...rule(`${name}.example.com`, "plain", backend.port), policies }],
      });
      if (answer.status === 400) {
        expect(answer.body.details?.[0]?.field).toBe("rules[0].policies.forward_auth.url");
        continue;
      }
      const asked = await status(open, `${name}.example.com`);
      expect([url, asked.status]).toEqual([url, 502]);
    }
  });

  it("allows loopback while the API is open on loopback only, or by TARGET_ALLOW_CIDRS", async () => {
    for (const [name, ip] of [
      ["inside", backend.address],
      ["allowed", other.address],
    ] as const) {
      await inform(open, name, ip);
      await inform(guarded, name, ip);
    }
    const rules = [rule("inside.example.com", "inside", backend.port)];
    const before = backend.requests();
    expect((await create(open, { name: "inside", rules })).status).toBe(201);
    expect((await status(open, "inside.example.com")).status).toBe(200);

    const refused = await create(guarded, { name: "inside", rules });
    expect([refused.status, refused.body.code]).toEqual([400, "target_not_allowed"]);
    expect(refused.text).toContain("TARGET_ALLOW_CIDRS");
    await create(guarded, { name: "at-request", rules: [rule("{i}.loop.example.com", "{i}", backend.port)] });
    expect((await status(guarded, "inside.loop.example.com")).status).toBe(502);
    expect(backend.requests()).toBe(before + 1);

    const allowed = await create(guarded, {
      name: "allowed",
      rules: [rule("allowed.example.com", "allowed", other.port)],
    });
    expect(allowed.status, allowed.text).toBe(201);
    expect((await visit<Seen>(guarded.ports.http, "allowed.example.com")).body.backend).toBe("allowed");
    // Our own listeners stay out of reach there.
    const own = await create(guarded, {
      name: "own",
      rules: [rule("own.example.com", "allowed", guarded.ports.api)],
    });
    expect([own.status, own.body.code]).toEqual([400, "target_not_allowed"]);
  });
});

/** A DNS server for the zone `rebound.test`. */
async function dnsOf(
  names: ReadonlyMap<string, string>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const resolve = (name: string): Resolution => {
    const address = names.get(name);
    return address === undefined ? { kind: "unknown" } : { kind: "addresses", addresses: [address] };
  };
  const options = { address: "127.0.0.1", port: 0, zone: "rebound.test", logger: recordingLogger() };
  const server = await startDnsServer({ ...options, resolver: { resolve } });
  return { port: server.port, [Symbol.asyncDispose]: () => server.close() };
}
