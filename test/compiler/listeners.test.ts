import { describe, expect, it } from "vitest";
import { addressesOf } from "../../src/compiler/layer4.ts";
import { isOwn, type Listener, listenerKey, listenersIn, listenersOf } from "../../src/compiler/listeners.ts";
import { uniteUses } from "../../src/compiler/port-counts.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const everywhere = compilerSettings({ listenAddress: "0.0.0.0" });

describe("the addresses of a port", () => {
  it.each<[usual: string, named: string[] | undefined, bound: string[]]>([
    ["0.0.0.0", undefined, ["0.0.0.0:80"]],
    ["0.0.0.0", ["192.0.2.1"], ["192.0.2.1:80"]],
    // The unspecified address has all others.
    ["0.0.0.0", ["", "192.0.2.1"], ["0.0.0.0:80"]],
    ["::", ["", "192.0.2.1"], ["[::]:80"]],
    ["192.0.2.9", ["", "192.0.2.1"], ["192.0.2.9:80", "192.0.2.1:80"]],
    ["192.0.2.9", ["", "192.0.2.9"], ["192.0.2.9:80"]],
    ["127.0.0.1", ["2001:db8::1"], ["[2001:db8::1]:80"]],
  ])("with %s, of rules that name %j", (listenAddress, named, bound) => {
    expect(addressesOf(named, 80, compilerSettings({ listenAddress }))).toStrictEqual(bound);
  });
});

describe("the sockets", () => {
  it("of ports are those of TCP and of UDP", () => {
    const ports = [
      { port: 80, plain: true, tls: false },
      { port: 53, plain: false, tls: false, udp: ["192.0.2.1", "2001:db8::1"] },
      { port: 5432, plain: false, tls: false, whole: true, listen: ["192.0.2.2"], udp: [""] },
    ] as const;
    expect(listenersOf(ports, everywhere)).toStrictEqual([
      { network: "tcp", address: "0.0.0.0", port: 80 },
      { network: "udp", address: "192.0.2.1", port: 53 },
      { network: "udp", address: "2001:db8::1", port: 53 },
      { network: "tcp", address: "192.0.2.2", port: 5432 },
      { network: "udp", address: "0.0.0.0", port: 5432 },
    ]);
  });

  it("of a configuration that runs are read from it, whoever wrote it", () => {
    expect(listenersIn(undefined)).toStrictEqual([]);
    expect(listenersIn({})).toStrictEqual([]);
    const apps = {
      http: {
        servers: {
          a: { listen: ["gatewright/0.0.0.0:80", "[::1]:443"] },
          b: {},
          c: { listen: ["tcp/10.0.0.1:8080", ":9000"] },
        },
      },
      gatewright_layer4: {
        tcp: [{ listen: ["192.0.2.1:22"] }],
        udp: ["udp/[2001:db8::1]:53", "192.0.2.1:53"],
      },
    };
    expect(listenersIn(apps as never)).toStrictEqual([
      { network: "tcp", address: "0.0.0.0", port: 80 },
      { network: "tcp", address: "::1", port: 443 },
      { network: "tcp", address: "10.0.0.1", port: 8080 },
      { network: "tcp", address: "", port: 9000 },
      { network: "tcp", address: "192.0.2.1", port: 22 },
      { network: "udp", address: "2001:db8::1", port: 53 },
      { network: "udp", address: "192.0.2.1", port: 53 },
    ]);
  });

  const tcp = (address: string, port = 80): Listener => ({ network: "tcp", address, port });
  it.each<[asked: Listener, own: Listener, is: boolean]>([
    [tcp("192.0.2.1"), tcp("192.0.2.1"), true],
    [tcp("192.0.2.1"), tcp("192.0.2.2"), false],
    [tcp("192.0.2.1"), tcp("0.0.0.0"), true],
    [tcp("192.0.2.1"), tcp("::"), true],
    [tcp("192.0.2.1"), tcp(""), true],
    [tcp(""), tcp("192.0.2.1"), true],
    [tcp("0.0.0.0"), tcp("192.0.2.1"), true],
    [tcp("::"), tcp("192.0.2.1"), true],
    [tcp("0.0.0.0", 81), tcp("0.0.0.0"), false],
    [{ ...tcp("0.0.0.0"), network: "udp" }, tcp("0.0.0.0"), false],
    [{ ...tcp("0.0.0.0"), network: "udp" }, tcp("192.0.2.1"), false],
  ])("%j is ours where we have %j: %s", (asked, own, is) => {
    expect(isOwn(asked, new Set([listenerKey(tcp("198.51.100.1", 1)), listenerKey(own)]))).toBe(is);
  });
});

describe("two uses of a port", () => {
  const none = { port: 80, plain: false, tls: false } as const;

  it.each(["names", "ends", "whole"] as const)("are together what either is: %s", (kind) => {
    const use = { ...none, [kind]: true };
    expect(uniteUses(use, none)).toStrictEqual(use);
    expect(uniteUses(none, use)).toStrictEqual(use);
    expect(uniteUses(use, use)).toStrictEqual(use);
    expect(uniteUses(none, none)).toStrictEqual(none);
  });

  it.each(["plain", "tls"] as const)("are together what either is: %s", (kind) => {
    const use = { ...none, [kind]: true };
    expect(uniteUses(use, none)).toStrictEqual(use);
    expect(uniteUses(none, use)).toStrictEqual(use);
  });

  it("have the addresses of both, in order; the usual one of who names none, if it uses TCP at all", () => {
    const left = { ...none, plain: true, listen: ["b"], udp: ["d", "c"] };
    expect(uniteUses(left, { ...none, udp: ["c", "a"] })).toStrictEqual({ ...left, udp: ["a", "c", "d"] });
    expect(uniteUses(left, { ...none, tls: true })).toStrictEqual({
      ...left,
      tls: true,
      listen: ["", "b"],
      udp: ["c", "d"],
    });
    expect(uniteUses({ ...none, listen: ["b"] }, { ...none, listen: ["a", "b"] })).toStrictEqual({
      ...none,
      listen: ["a", "b"],
    });
  });
});
