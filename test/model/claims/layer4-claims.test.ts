import { describe, expect, it } from "vitest";
import type { Ingress, IngressMatch, IngressRule } from "../../../src/model/api.ts";
import { ClaimIndex } from "../../../src/model/claims/claim-index.ts";

type Wanted = Partial<IngressMatch> & Pick<Partial<IngressRule>, "tls">;

function ruleOf({ tls = false, ...match }: Wanted): IngressRule {
  const target = { instance: "web-1", port: 8080 };
  return { match: { hostname: "*", port: 5432, ...match }, target, tls, redirect_http: false };
}

function ingress(id: string, wanted: readonly Wanted[], more: Partial<Ingress> = {}): Ingress {
  const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };
  return { id, name: id, rules: wanted.map(ruleOf), ...times, ...more };
}

/** Ids of those that are in the way of a rule, and of earlier rules of the same document. */
function inTheWay(
  held: readonly Ingress[],
  wanted: readonly Wanted[],
  more: Partial<Ingress> = {},
): string[] {
  const claims = new ClaimIndex();
  for (const one of held) claims.add(one);
  const { rules, listen, gateways } = ingress("new", wanted, more);
  const place = {
    ...(listen === undefined ? {} : { listen }),
    ...(gateways === undefined ? {} : { gateways }),
  };
  return claims
    .conflicts(rules, undefined, place)
    .map(({ holder }) =>
      holder.kind === "ingress" ? holder.id : `rule ${holder.kind === "document" ? holder.ruleIndex : "?"}`,
    );
}

const tcp: Wanted = { protocol: "tcp" };
const udp: Wanted = { protocol: "udp" };
const named = (hostname: string): Wanted => ({ protocol: "tls", hostname });
const ended = (hostname: string): Wanted => ({ protocol: "tcp", hostname, tls: true });
const https = (hostname: string): Wanted => ({ hostname, tls: true });
const http = (hostname: string, path: string): Wanted => ({
  hostname,
  path: { type: "prefix", value: path },
});

describe("a name of layer 4 and several rules of its host", () => {
  const post: Wanted = { ...http("a.test", "/x"), methods: ["POST"] };
  const tenant: Wanted = { ...https("a.test"), headers: { "X-Tenant": "1" } };

  it.each<[string, readonly Wanted[], readonly Wanted[]]>([
    ["two paths", [http("a.test", "/x"), http("a.test", "/y")], []],
    ["a path and a method", [http("a.test", "/x"), post], []],
    ["a method and a header", [post, tenant], []],
    ["paths, and others of another host", [http("a.test", "/x"), http("a.test", "/y")], [post, tenant]],
  ])("%s", (_what, [first, second], others) => {
    if (first === undefined || second === undefined) throw new Error("two rules");
    const elsewhere = others.map((one) => ({ ...one, hostname: "b.test" }));
    const held = [ingress("b", elsewhere), ingress("one", [first]), ingress("other", [second])];
    expect(inTheWay(held, [named("a.test")])).toEqual(["one"]);
    expect(inTheWay(held.slice(0, 1), [named("a.test")])).toEqual([]);
    expect(inTheWay(held.slice(1).reverse(), [ended("a.test")])).toEqual(["other"]);
    expect(inTheWay(held, [tcp])).toEqual([others.length > 0 ? "b" : "one"]);
  });

  it("says of which kind each is", () => {
    const { rules } = ingress("new", [named("a.test"), named("a.test")]);
    expect(new ClaimIndex().conflicts(rules)).toEqual([
      { ruleIndex: 1, rule: rules[1], kind: "rule", holder: { kind: "document", ruleIndex: 0 } },
    ]);
  });
});

describe("claims of layer 4", () => {
  it.each<[what: string, one: Wanted, other: Wanted, conflict: boolean]>([
    ["a TCP port twice", tcp, tcp, true],
    ["a UDP port twice", udp, udp, true],
    ["TCP and UDP of one number", tcp, udp, false],
    ["two TCP ports", tcp, { ...tcp, port: 5433 }, false],
    ["a TCP port and a name on it", tcp, named("a.test"), true],
    ["a TCP port and a name that ends here", tcp, ended("a.test"), true],
    ["a TCP port and HTTP", tcp, http("a.test", "/x"), true],
    ["a TCP port and HTTPS", tcp, https("a.test"), true],
    ["a UDP port and HTTPS", udp, https("a.test"), false],
    ["a UDP port and a name", udp, named("a.test"), false],
    ["one name twice", named("a.test"), named("a.test"), true],
    ["one name passed on and ended", named("a.test"), ended("a.test"), true],
    ["one name passed on and served", named("a.test"), https("a.test"), true],
    ["one name passed on and a path of it served", named("a.test"), http("a.test", "/x"), true],
    ["one shape twice", named("{a}.test"), named("*.test"), true],
    ["a name and a pattern that has it", named("a.test"), named("*.test"), false],
    ["two names", named("a.test"), named("b.test"), false],
    ["a name and another's HTTPS", named("a.test"), https("b.test"), false],
    ["one name on two ports", named("a.test"), { ...named("a.test"), port: 443 }, false],
    ["all other names twice", named("*"), named("*"), true],
    ["all other names and one", named("*"), named("a.test"), false],
  ])("%s", (_what, one, other, conflict) => {
    for (const [held, wanted] of [
      [one, other],
      [other, one],
    ] as const) {
      expect(inTheWay([ingress("held", [held])], [wanted])).toEqual(conflict ? ["held"] : []);
      expect(inTheWay([], [held, wanted])).toEqual(conflict ? ["rule 0"] : []);
    }
  });

  it.each([tcp, udp, named("a.test"), https("a.test")])(
    "are apart where they are served apart: %j",
    (wanted) => {
      const held = ingress("held", [wanted], { listen: ["192.0.2.1"], gateways: ["a", "b"] });
      expect(inTheWay([held], [wanted], { listen: ["192.0.2.2"] })).toEqual([]);
      expect(inTheWay([held], [wanted], { listen: ["192.0.2.2", "192.0.2.1"] })).toEqual(["held"]);
      expect(inTheWay([held], [wanted], { gateways: ["c"] })).toEqual([]);
      expect(inTheWay([held], [wanted], { gateways: ["c", "b"] })).toEqual(["held"]);
      expect(inTheWay([held], [wanted])).toEqual(["held"]);
    },
  );

  it.each([tcp, udp, named("a.test"), https("a.test"), http("a.test", "/x")])(
    "are freed one by one, whoever else has the same: %j",
    (wanted) => {
      const claims = new ClaimIndex();
      const several = ["one", "two", "three"].map((id) =>
        ingress(id, [wanted, { ...wanted, port: 1 }, wanted]),
      );
      for (const one of several) claims.add(one);
      const rules = [ruleOf(wanted)];
      expect([...claims.holders(rules, undefined, {})].sort()).toEqual(["one", "three", "two"]);
      expect([...claims.holders(rules, "two", {})].sort()).toEqual(["one", "three"]);
      expect(claims.conflicts(rules, new Set(["one", "two", "three"]))).toEqual([]);
      for (const [index, one] of several.entries()) {
        claims.remove(one);
        expect(claims.holders(rules, undefined, {}).size).toBe(2 - index);
        // Freed twice is freed once.
        claims.remove(one);
        expect(claims.holders(rules, undefined, {}).size).toBe(2 - index);
      }
      expect(claims.conflicts([ruleOf(tcp), ruleOf({ ...tcp, port: 1 })])).toEqual([]);
    },
  );

  it("of one ingress go one by one, and leave what others hold", () => {
    const claims = new ClaimIndex();
    const [one, two] = [
      ingress("one", [named("a.test"), named("b.test")]),
      ingress("two", [named("c.test")]),
    ];
    claims.add(one);
    claims.add(two);
    claims.remove(one);
    expect(claims.conflicts([ruleOf(named("a.test")), ruleOf(named("b.test"))])).toEqual([]);
    expect(claims.conflicts([ruleOf(named("c.test"))])).toMatchObject([{ holder: { id: "two" } }]);
    // The port for itself.
    expect(claims.conflicts([ruleOf(tcp)])).toMatchObject([{ holder: { id: "two" } }]);
    claims.remove(two);
    expect(claims.conflicts([ruleOf(tcp)])).toEqual([]);
  });
});
