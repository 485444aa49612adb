import { describe, expect, it } from "vitest";
import {
  normalizePlace,
  normalizeRules,
  reservedPortProblems,
  semanticProblems,
} from "../../src/validation/ingress.ts";

const rules = [{ match: { hostname: "a.test" }, target: { instance: "vm", port: 1 } }];

function problemsOf(...listen: string[]) {
  return semanticProblems({ name: "x", listen, rules });
}

describe("listen addresses", () => {
  it.each(["192.0.2.10", "2001:db8::1", "::ffff:192.0.2.10", "127.0.0.1"])("may be %s", (address) => {
    expect(problemsOf(address)).toEqual([]);
  });

  // A zone is of one machine's interfaces, and Caddy would take it for a part of the network's name.
  it.each(["fe80::1%eth0", "localhost", "192.0.2.10:80", "[2001:db8::1]", "192.0.2.0/24", ""])(
    "cannot be %j, and which one is said",
    (address) => {
      expect(problemsOf("192.0.2.1", address)).toEqual([
        {
          code: "invalid_value",
          field: "listen[1]",
          message: `listen[1] "${address}" must be an IP address of this machine such as 192.0.2.10`,
        },
      ]);
    },
  );

  it.each(["0.0.0.0", "::", "::ffff:0.0.0.0"])("are left out instead of %s", (address) => {
    expect(problemsOf(address)).toEqual([
      {
        code: "invalid_value",
        field: "listen[0]",
        message: `listen[0] "${address}" must be an IP address of this machine such as 192.0.2.10; leave listen out for all`,
      },
    ]);
  });

  it("are stored in one form and order, each once", () => {
    const listen = ["2001:DB8:0::1", "192.0.2.9", "::ffff:192.0.2.9", "192.0.2.10"];
    expect(normalizePlace({ listen, gateways: ["b", "a"] })).toEqual({
      listen: ["192.0.2.10", "192.0.2.9", "2001:db8::1"],
      gateways: ["a", "b"],
    });
    expect(normalizePlace({})).toEqual({});
  });
});

describe("HTTP_PORT", () => {
  it("is no port of a TCP rule without TLS, since challenges and redirects are answered there", () => {
    const ports = { httpPort: 8000, httpsPort: 8443 };
    const target = { instance: "vm", port: 1 };
    const request = {
      name: "x",
      rules: [
        { match: { protocol: "tcp", port: 8000 }, target },
        { match: { protocol: "tcp", port: 8443 }, target },
        { match: { protocol: "udp", port: 8000 }, target },
        { match: { protocol: "tls", hostname: "a.test", port: 8000 }, target },
        { match: { protocol: "tcp", hostname: "a.test", port: 8000 }, tls: true, target },
        { match: { hostname: "a.test", port: 8000 }, target },
      ],
    } as const;
    expect(reservedPortProblems([undefined, ...normalizeRules(request, ports)], ports)).toEqual([
      {
        code: "invalid_value",
        field: "rules[1].match.port",
        message:
          "match.port 8000 in rule 1 is HTTP_PORT, where redirects and certificate challenges are answered; choose another port",
      },
    ]);
  });
});
