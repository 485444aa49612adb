import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { call } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines, openTlsLines, startLineServer } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const authority = use(createTestAuthority);
const gatewright = useGatewright(
  { TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*", PROXY_PROTOCOL_FROM: "127.0.0.9" },
  ["vm"],
);

function tcp(port: number, target: object, more: object = {}): IngressRuleInput {
  return { match: { protocol: "tcp", port }, target, ...more } as IngressRuleInput;
}

describe("PROXY protocol", () => {
  it.each([
    ["v1", /^50524f5859205443503420.*0d0a68656c6c6f0a$/],
    ["v2", /^0d0a0d0a000d0a515549540a2111000c7f0000017f000001.{8}68656c6c6f0a$/],
  ] as const)("tells the target the client's address: %s", async (version, expected) => {
    await using server = await startLineServer("p");
    const port = await freePort();
    await gatewright.make(
      `proxy-${version}`,
      tcp(port, { instance: "vm", port: server.port }, { upstream: { proxy_protocol: version } }),
    );
    using client = await openLines(port);
    client.socket.write("hello\n");
    await until(() => server.received[0]?.endsWith("hello\n") === true);
    expect(Buffer.from(server.received[0] ?? "", "latin1").toString("hex")).toMatch(expected);
  });

  it("is taken from trusted networks, and the address that it tells is the client's", async () => {
    await using server = await startLineServer("p");
    const port = await freePort();
    await gatewright.make(
      "proxy-in",
      tcp(
        port,
        { instance: "vm", port: server.port },
        {
          upstream: { proxy_protocol: "v1" },
          policies: { access: { allow: ["192.0.2.0/24"] } },
        },
      ),
    );
    using trusted = await openLines(port, "127.0.0.1", "127.0.0.9");
    trusted.socket.write("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nhello\n");
    await until(() => server.received[0]?.endsWith("hello\n") === true);
    expect(server.received).toEqual(["PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nhello\n"]);
    // Nobody else can claim an address, and a trusted proxy must tell one.
    using liar = await openLines(port, "127.0.0.1", "127.0.0.1");
    liar.socket.write("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nhello\n");
    await liar.ended;
    using silent = await openLines(port, "127.0.0.1", "127.0.0.9");
    silent.socket.write("hello\n");
    await silent.ended;
    expect(server.total()).toBe(1);
  });
});

describe("limits", () => {
  it("turns clients away by their address", async () => {
    await using server = await startLineServer("a");
    const port = await freePort();
    const { id } = await gatewright.make(
      "access",
      tcp(port, { instance: "vm", port: server.port }, { policies: { access: { deny: ["127.0.0.3"] } } }),
    );
    using allowed = await openLines(port, "127.0.0.1", "127.0.0.2");
    expect(await allowed.ask("x")).toBe("a x");
    using denied = await openLines(port, "127.0.0.1", "127.0.0.3");
    await denied.ended;
    expect(server.total()).toBe(1);
    expect((await gatewright.statusOf(id)).rules[0]?.connections).toMatchObject({ refused: 1, total: 1 });
  });

  it("ends connections on which nothing is sent, and only these", async () => {
    await using server = await startLineServer("i");
    const port = await freePort();
    await gatewright.make(
      "idle",
      tcp(port, { instance: "vm", port: server.port }, { policies: { timeouts: { idle: "2s" } } }),
    );
    const began = Date.now();
    using quiet = await openLines(port);
    using busy = await openLines(port);
    let over = false;
    void quiet.ended.then(() => (over = true));
    await until(async () => {
      expect(await busy.ask("x")).toBe("i x");
      return over;
    });
    expect(Date.now() - began).toBeGreaterThan(1_900);
    expect(await busy.ask("y")).toBe("i y");
  });

  it("gives an address as many connections as it takes", async () => {
    await using server = await startLineServer("m");
    const port = await freePort();
    await gatewright.make(
      "most",
      tcp(port, { instance: "vm", port: server.port }, { policies: { max_connections: 2 } }),
    );
    using one = await openLines(port);
    const two = await openLines(port);
    expect([await one.ask("x"), await two.ask("x")]).toEqual(["m x", "m x"]);
    using three = await openLines(port);
    await three.ended;
    two[Symbol.dispose]();
    await until(() => server.open() === 1);
    await until(async () => {
      using again = await openLines(port);
      return (await again.ask("x").catch(() => "")) === "m x";
    });
  });

  it("gives up on a target that does not answer, in the time that the rule says", async () => {
    // Nobody answers at an address for documentation (RFC 5737).
    const target = { address: "192.0.2.250", port: 9 };
    const port = await freePort();
    const { id } = await gatewright.make(
      "slow",
      tcp(port, target, { policies: { timeouts: { connect: "300ms" } } }),
    );
    const later = await freePort();
    await gatewright.make("slower", tcp(later, target, { policies: { timeouts: { connect: "1m" } } }));
    using patient = await openLines(later);
    using client = await openLines(port);
    expect(await Promise.race([patient.ended.then(() => "patient"), client.ended.then(() => "client")])).toBe(
      "client",
    );
    const status = await gatewright.statusOf(id);
    expect(status.rules[0]?.connections).toMatchObject({ failed: 1, active: 0 });
    expect(status.conditions.find(({ type }) => type === "TargetsReachable")).toMatchObject({
      status: "False",
    });
  });
});

describe("services", () => {
  it("spreads connections over the instances, leaves out those that fail, and finds those that come", async () => {
    await using one = await startLineServer("one", { address: "127.0.0.11" });
    const { port: target } = one;
    const other = createServer((socket) =>
      socket.on("data", () => socket.write("two\n")).on("error", () => undefined),
    );
    other.listen(target, "127.0.0.12");
    await once(other, "listening");
    for (const [name, ip] of [
      ["s-1", "127.0.0.11"],
      ["s-2", "127.0.0.12"],
      ["s-3", "127.0.0.13"],
    ] as const)
      await gatewright.put(name, ip, { service: "db" });
    const port = await freePort();
    const { id } = await gatewright.make("service", tcp(port, { service: "db", port: target }));
    const connect = async (): Promise<string> => {
      using client = await openLines(port);
      return (await client.ask("x")).split(" ")[0] ?? "";
    };
    // Nobody listens on the third address: the connection that meets it finds another at once.
    await until(async () => {
      expect(["one", "two"]).toContain(await connect());
      const addresses = (await gatewright.statusOf(id)).rules[0]?.targets[0]?.addresses ?? [];
      return addresses.some(
        ({ address, reachable }) => address.startsWith("127.0.0.13") && reachable === false,
      );
    });
    const answers: string[] = [];
    for (let index = 0; index < 12; index += 1) answers.push(await connect());
    for (const name of ["one", "two"])
      expect(answers.filter((answer) => answer === name).length).toBeGreaterThanOrEqual(3);
    const addresses = (await gatewright.statusOf(id)).rules[0]?.targets[0]?.addresses ?? [];
    expect(addresses.find(({ address }) => address.startsWith("127.0.0.11"))).toMatchObject({
      reachable: true,
    });
    other.close();
  });

  it("finds an instance that has moved with the next connection, while the old one goes on", async () => {
    await using old = await startLineServer("old", { address: "127.0.0.21" });
    const fresh = createServer((socket) =>
      socket.on("data", () => socket.write("new\n")).on("error", () => undefined),
    );
    fresh.listen(old.port, "127.0.0.22");
    await once(fresh, "listening");
    await gatewright.put("mover", "127.0.0.21");
    const port = await freePort();
    await gatewright.make("mover", tcp(port, { instance: "mover", port: old.port }));
    using before = await openLines(port);
    expect(await before.ask("x")).toBe("old x");
    await gatewright.put("mover", "127.0.0.22");
    await until(async () => {
      using after = await openLines(port);
      return (await after.ask("x")) === "new";
    }, 10_000);
    expect(await before.ask("y")).toBe("old y");
    fresh.close();
  });
});

describe("TLS ended here", () => {
  it("is forwarded as TCP, with a certificate for the name", async () => {
    await using server = await startLineServer("plain");
    const port = await freePort();
    await gatewright.make("ended", {
      match: { protocol: "tcp", hostname: "ended.test", port },
      target: { instance: "vm", port: server.port },
      tls: true,
    });
    await until(async () => {
      const client = await openTlsLines({ port, servername: "ended.test", alpn: ["postgresql"] }).catch(
        () => undefined,
      );
      client?.[Symbol.dispose]();
      return client !== undefined;
    });
    using client = await openTlsLines({ port, servername: "ended.test", alpn: ["postgresql"] });
    expect(client.socket.getPeerCertificate().subjectaltname).toBe("DNS:ended.test");
    expect(await client.ask("hello")).toBe("plain hello");
    // A TLS-ALPN challenge is Caddy's to answer, and there is none now: it never reaches the target.
    const total = server.total();
    await expect(openTlsLines({ port, servername: "ended.test", alpn: ["acme-tls/1"] })).rejects.toThrow();
    expect(server.total()).toBe(total);
  });

  it("is spoken again with a target whose certificate is checked, with certificates of clients on both sides", async () => {
    const { certificate, key } = await authority.issue({ names: ["db.internal.test"] });
    const client = await authority.issue({ names: ["client.test"] });
    await using server = await startLineServer("tls", { tls: { cert: certificate, key } });
    const port = await freePort();
    const rule = (hostname: string, server_name: string): IngressRuleInput => ({
      match: { protocol: "tcp", hostname, port },
      target: { instance: "vm", port: server.port },
      tls: true,
      tls_options: { client_auth: { ca_pem: authority.pem, mode: "require" } },
      upstream: { tls: { server_name, ca_pem: authority.pem } },
    });
    await gatewright.make("again", rule("again.test", "db.internal.test"));
    await gatewright.make("wrong", rule("wrong.test", "other.internal.test"));
    const open = (servername: string) =>
      openTlsLines({ port, servername, cert: client.certificate, key: client.key });
    await until(async () => {
      const first = await open("again.test").catch(() => undefined);
      const answer = await first?.ask("x").catch(() => undefined);
      first?.[Symbol.dispose]();
      return answer === "tls x";
    });
    using wrong = await eventually(() => open("wrong.test"));
    await wrong.ended;
    using without = await openTlsLines({ port, servername: "again.test" });
    await without.ended;
    expect(server.total()).toBeGreaterThan(0);
  });
});

describe("metrics", () => {
  it("tell connections and bytes of each rule", async () => {
    await using server = await startLineServer("b");
    const port = await freePort();
    await gatewright.make("counted", tcp(port, { instance: "vm", port: server.port }));
    using client = await openLines(port);
    expect(await client.ask("hello")).toBe("b hello");
    client[Symbol.dispose]();
    await until(async () => {
      const { text } = await call(`${gatewright.url}/metrics`);
      return (
        text.includes('gatewright_layer4_connections_total{ingress="counted",rule="0"} 1') &&
        text.includes('gatewright_layer4_received_bytes_total{ingress="counted",rule="0"} 6') &&
        text.includes('gatewright_layer4_sent_bytes_total{ingress="counted",rule="0"} 8') &&
        text.includes('gatewright_layer4_connections_active{ingress="counted",rule="0"} 0')
      );
    });
  });
});
