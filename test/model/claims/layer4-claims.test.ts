import { describe, expect, it } from "vitest";
import type { Ingress, IngressMatch, IngressRule } from "../../../src/model/api.ts";
import { ClaimIndex } from "../../../src/model/claims/claim-index.ts";

type Match = Partial<IngressMatch>;

const rule = (match: Match): IngressRule => ({
  match: { hostname: "*", port: 5432, ...match },
  target: { instance: "db", port: 5432 },
  tls: false,
  redirect_http: false,
});

const ingress = (id: string, ...matches: readonly Match[]): Ingress => ({
  id,
  name: id,
  rules: matches.map(rule),
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
});

const tcp = { protocol: "tcp" } as const;
const udp = { protocol: "udp" } as const;
const named = (hostname: string) => ({ protocol: "tls", hostname }) as const;
const http = (hostname: string) => ({ hostname }) as const;

describe("claims of layer 4", () => {
  it.each<[string, Match, Match, boolean]>([
    ["a whole TCP port, twice", tcp, tcp, true],
    ["TCP on two ports", tcp, { ...tcp, port: 5433 }, false],
    ["TCP and UDP of one port", tcp, udp, false],
    ["a UDP port, twice", udp, udp, true],
    ["UDP on two ports", udp, { ...udp, port: 5433 }, false],
    ["UDP and a host of HTTP", udp, http("a.test"), false],
    ["one name, twice", named("a.test"), named("a.test"), true],
    ["two names", named("a.test"), named("b.test"), false],
    ["one name on two ports", named("a.test"), { ...named("a.test"), port: 5433 }, false],
    ["a wildcard and a name below it", named("*.test"), named("a.test"), false],
    ["a whole port and a name", tcp, named("a.test"), true],
    ["a whole port and a host of HTTP", tcp, http("a.test"), true],
    ["a whole port and a host of HTTP on another", tcp, { ...http("a.test"), port: 80 }, false],
    ["a name that is passed through, and served", named("a.test"), http("a.test"), true],
    ["a name that is passed through, and another one served", named("a.test"), http("b.test"), false],
  ])("%s", (_, first, second, conflict) => {
    const layer4First = [ingress("one", first), ingress("two", second)];
    for (const [one, two] of [layer4First, layer4First.toReversed()] as [Ingress, Ingress][]) {
      const claims = new ClaimIndex();
      claims.add(one);
      expect(claims.conflicts(two.rules).length > 0).toBe(conflict);
      expect(claims.conflicts(two.rules, one.id)).toEqual([]);
      claims.remove(one);
      expect(claims.conflicts(two.rules)).toEqual([]);
    }
  });

  it("of one document stand against each other", () => {
    expect(new ClaimIndex().conflicts([rule(tcp), rule(named("a.test"))])).toMatchObject([
      { ruleIndex: 1, holder: { kind: "document", ruleIndex: 0 } },
    ]);
  });

  it("of one ingress go one by one, and leave what others hold", () => {
    const claims = new ClaimIndex();
    const [one, two] = [ingress("one", named("a.test"), named("b.test")), ingress("two", named("c.test"))];
    claims.add(one);
    claims.add(two);
    claims.remove(one);
    expect(claims.conflicts([rule(named("a.test")), rule(named("b.test"))])).toEqual([]);
    expect(claims.conflicts([rule(named("c.test"))])).toMatchObject([{ holder: { id: "two" } }]);
    // The port for itself.
    expect(claims.conflicts([rule(tcp)])).toMatchObject([{ holder: { id: "two" } }]);
    claims.remove(two);
    expect(claims.conflicts([rule(tcp)])).toEqual([]);
  });
});
