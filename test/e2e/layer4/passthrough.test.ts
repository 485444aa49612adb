import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { askCaddy, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { type LineServer, openLines, openTlsLines, startLineServer } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

/** A TLS server whose certificate is its own, for each of the names. */
async function serve(name: string, names: readonly string[]): Promise<LineServer> {
  const { certificate, key } = await authority.issue({ names });
  return startLineServer(name, { tls: { cert: certificate, key, ALPNProtocols: ["x-lines"] } });
}

function tlsRule(hostname: string, target: object, match: object = {}, more: object = {}): IngressRuleInput {
  return { match: { protocol: "tls", hostname, ...match }, target, ...more } as IngressRuleInput;
}

const authority = use(createTestAuthority);
const backend = use(() => startBackend());
const gatewright = useGatewright({ TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" }, [
  "one",
  "wild",
  "fallback",
  "vm-1",
]);
const oneServer = use(() => serve("one", ["one.pass.test"]));
const wildServer = use(() => serve("wild", ["*.db.test", "b.deep.db.test"]));
const restServer = use(() => serve("fallback", ["whoever.test"]));

describe("TLS passthrough", () => {
  it("takes a name, a wildcard, a capture and a fallback on one port to their targets, undecrypted", async () => {
    const port = await freePort();
    await gatewright.make(
      "pass-one",
      tlsRule("one.pass.test", { instance: "one", port: oneServer.port }, { port }),
    );
    await gatewright.make(
      "pass-wild",
      tlsRule("*.db.test", { instance: "wild", port: wildServer.port }, { port }),
    );
    await gatewright.make(
      "pass-vm",
      tlsRule("{vm}.vm.test", { instance: "{vm}", port: restServer.port }, { port }),
    );
    await gatewright.make(
      "pass-rest",
      tlsRule("*", { instance: "fallback", port: restServer.port }, { port }),
    );
    const { pem: ca } = authority;
    using one = await openTlsLines({ port, servername: "one.pass.test", ca, alpn: ["x-lines"] });
    expect(await one.ask("hello")).toBe("one hello");
    // The certificate and the protocol are the backend's own.
    expect(one.socket.getPeerCertificate().subjectaltname).toBe("DNS:one.pass.test");
    expect(one.socket.alpnProtocol).toBe("x-lines");
    using wild = await openTlsLines({ port, servername: "a.db.test", ca });
    expect(await wild.ask("hello")).toBe("wild hello");
    using captured = await openTlsLines({ port, servername: "vm-1.vm.test" });
    expect(await captured.ask("hello")).toBe("fallback hello");
    using other = await openTlsLines({ port, servername: "whoever.test", ca });
    expect(await other.ask("hello")).toBe("fallback hello");
    using nameless = await openTlsLines({ port });
    expect(await nameless.ask("hello")).toBe("fallback hello");
  });

  it("needs no reload for a new name on a port, and one for a new port", async () => {
    const port = await freePort();
    const config = async () =>
      (await askCaddy<{ config: string }>(gatewright.ports.admin, "/gatewright/state")).body.config;
    await gatewright.make(
      "names-1",
      tlsRule("one.names.test", { instance: "one", port: oneServer.port }, { port }),
    );
    const before = await config();
    await gatewright.make(
      "names-2",
      tlsRule("two.names.test", { instance: "one", port: oneServer.port }, { port }),
    );
    using two = await openTlsLines({ port, servername: "two.names.test" });
    expect(await two.ask("hello")).toBe("one hello");
    expect(await config()).toBe(before);
  });

  it("closes connections for names that nobody claims with an alert, and those that are not TLS", async () => {
    const port = await freePort();
    await gatewright.make(
      "strict",
      tlsRule("only.strict.test", { instance: "one", port: oneServer.port }, { port }),
    );
    await expect(openTlsLines({ port, servername: "other.strict.test" })).rejects.toMatchObject({
      code: "ERR_SSL_TLSV1_UNRECOGNIZED_NAME",
    });
    using plain = await openLines(port);
    plain.socket.write("GET / HTTP/1.1\r\n\r\n");
    await plain.ended;
    expect(oneServer.received.filter((text) => text.includes("GET /"))).toEqual([]);
  });
});

describe("one port for HTTPS, HTTP and passthrough", () => {
  it("takes each connection to the right side", async () => {
    const port = await freePort();
    await gatewright.make(
      "both-pass",
      tlsRule("raw.both.test", { instance: "one", port: oneServer.port }, { port }),
    );
    await gatewright.make(
      "both-wild",
      tlsRule("*.both.test", { instance: "wild", port: wildServer.port }, { port }),
    );
    await gatewright.make("both-https", {
      match: { hostname: "web.both.test", port },
      target: { instance: "vm-1", port: backend.port },
      tls: true,
    });
    await gatewright.make("both-plain", {
      match: { hostname: "plain.test", port },
      target: { instance: "vm-1", port: backend.port },
    });
    await until(async () => {
      const socket = await openTlsLines({
        port,
        servername: "web.both.test",
        alpn: ["h2", "http/1.1"],
      }).catch(() => undefined);
      socket?.[Symbol.dispose]();
      return socket?.socket.alpnProtocol === "h2";
    });
    using web = await openTlsLines({ port, servername: "web.both.test", alpn: ["http/1.1"] });
    expect(web.socket.getPeerCertificate().subjectaltname).toBe("DNS:web.both.test");
    expect(await web.ask("GET / HTTP/1.1\r\nHost: web.both.test\r\nConnection: close\r\n\r")).toMatch(
      /200 OK/,
    );
    using raw = await openTlsLines({ port, servername: "raw.both.test" });
    expect(await raw.ask("hello")).toBe("one hello");
    using wild = await openTlsLines({ port, servername: "any.both.test" });
    expect(await wild.ask("hello")).toBe("wild hello");
    expect((await visit(port, "plain.test")).status).toBe(200);
    // A request over the HTTPS name's connection cannot reach a name that is passed through.
    using fronting = await openTlsLines({ port, servername: "web.both.test", alpn: ["http/1.1"] });
    expect(await fronting.ask("GET / HTTP/1.1\r\nHost: raw.both.test\r\nConnection: close\r\n\r")).toMatch(
      /404/,
    );
  });
});
