import { describe, expect, it } from "vitest";
import {
  captureReferences,
  type Hostname,
  hostnameShape,
  isAddress,
  isHostnameProblem,
  parseHostname,
} from "../../src/model/hostname.ts";

function parsed(text: string): Hostname {
  const hostname = parseHostname(text);
  if (isHostnameProblem(hostname)) throw new Error(hostname.problem);
  return hostname;
}

describe("parseHostname", () => {
  it.each([
    ["shop.example.com", "literal"],
    ["{instance}.example.com", "pattern"],
    ["*.{instance}.example.com", "pattern"],
    ["*.example.com", "wildcard"],
    ["a.*.example.com", "wildcard"],
    ["*", "catch_all"],
    ["192.0.2.10", "literal"],
    ["::1", "literal"],
  ])("%s is a %s", (text, kind) => {
    expect(parsed(text).kind).toBe(kind);
  });

  it.each(["xn--mnchen-3ya2563.de", "a.xn--0.example.com", "{i}.xn--a.example.com"])(
    "refuses %s, whose ASCII form stands for no characters: Caddy refuses every configuration with such a name",
    (text) => {
      expect(parseHostname(text)).toMatchObject({
        problem: expect.stringMatching(/label "xn--.*" that is no ASCII form of any name/),
      });
    },
  );

  it.each(["xn--mnchen-3ya.de", "XN--FIQS8S", "xn--n3h.example.com", "xn--i-7iq.ws", "xn--fa-hia.de"])(
    "takes the ASCII form %s",
    (text) => expect(parsed(text).canonical).toBe(text.toLowerCase()),
  );

  it("knows where each capture stands", () => {
    const hostname = parsed("{app}.EU.{team}.example.com.");
    expect(hostname.labels).toEqual(["{app}", "eu", "{team}", "example", "com"]);
    expect([...hostname.captures]).toEqual([
      ["app", 0],
      ["team", 2],
    ]);
    expect(hostname.shape).toBe("*.eu.*.example.com");
    expect(hostname.shape).toBe("*.eu.*.example.com");
  });

  it.each([
    ["{a}.x.test", "{b}.x.test"],
    ["{a}.x.test", "*.X.test."],
    ["münchen.test", "XN--MNCHEN-3YA.test"],
    ["[2001:db8:0::1]", "2001:DB8::1"],
  ])("%s and %s have one shape", (left, right) => {
    expect(parsed(left).shape).toBe(parsed(right).shape);
  });

  it("never lets a text through that Caddy would expand", () => {
    for (const text of [
      "{env.X}",
      "{file./x}",
      "a.{env.X}.b",
      "{a}.{file./x}",
      "x{",
      "}.x",
      "{}.x",
      "\\{a}.x",
      "{a.b}.x",
    ]) {
      expect(isHostnameProblem(parseHostname(text)), text).toBe(true);
    }
  });

  it.each([
    ["{a}", 'hostname pattern "{a}" must have at least two parts'],
    ["web-{a}.x.test", 'mixed captures like "web-{a}" are not supported, use pure captures like {name}'],
    ["{a}-web.x.test", 'mixed captures like "{a}-web" are not supported, use pure captures like {name}'],
    ["a.{b}{c}.test", 'mixed captures like "{b}{c}" are not supported, use pure captures like {name}'],
    ["{a}.b.{a}.test", 'duplicate capture name "a" in pattern'],
    ["{A}.{a}.{A}.test", 'duplicate capture name "A" in pattern'],
    [
      "{a}.b{.test",
      '"{a}.b{.test" has { or } outside a capture; a capture is a whole label such as {instance}',
    ],
  ])("says why %s is no pattern", (text, problem) => {
    expect(parseHostname(text)).toEqual({ problem, inPattern: true });
  });

  it("takes captures beside labels without one, and names of captures that differ in case", () => {
    expect([...parsed("x.{a}.y.{A}.test").captures]).toEqual([
      ["a", 1],
      ["A", 3],
    ]);
  });

  it("takes no character but those of hostnames, in any position and any form", () => {
    for (let code = 0; code < 0x3000; code += 1) {
      const character = String.fromCharCode(code);
      const hostname = parseHostname(`a${character}b.example.com`);
      if (isHostnameProblem(hostname)) continue;
      expect(hostname.canonical, `U+${code.toString(16)}`).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
    }
  });

  it("parses its own canonical form to itself", () => {
    for (const text of [
      "A.Example.com.",
      "{A}.B.test",
      "*.*.x.test",
      "*",
      "ß.test",
      "İ.test",
      "[::1]",
      "1.2.3.4",
    ]) {
      const { canonical } = parsed(text);
      expect(parsed(canonical)).toEqual(parsed(text));
      expect(hostnameShape(canonical)).toBe(parsed(text).shape);
    }
  });

  it("counts lengths as DNS does", () => {
    const label = "a".repeat(63);
    expect(parsed(`${label}.${label}.${label}.${"a".repeat(61)}`).canonical).toHaveLength(253);
    expect(isHostnameProblem(parseHostname(`${label}.${label}.${label}.${"a".repeat(62)}`))).toBe(true);
    expect(isHostnameProblem(parseHostname(`${"ü".repeat(60)}.test`))).toBe(true);
  });
});

describe("helpers", () => {
  it("names the captures that a target refers to", () => {
    expect(captureReferences("{a}-x-{b_2}{3}")).toEqual({ names: ["a", "b_2"], rest: "-x-{3}" });
    expect(captureReferences("plain")).toEqual({ names: [], rest: "plain" });
  });

  it("knows addresses", () => {
    expect(["192.0.2.1", "2001:db8::1", "a.test", "1.test"].map(isAddress)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
