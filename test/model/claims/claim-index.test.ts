import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { Row } from "../../../src/compiler/row.ts";
import type { Ingress, IngressMatch, IngressRule } from "../../../src/model/api.ts";
import { ClaimIndex, MOST_HEADER_SETS } from "../../../src/model/claims/claim-index.ts";
import { growthOf } from "../../support/growth.ts";
import { comparePrecedence } from "../../support/precedence.ts";
import { type CaseRequest, compareRows, rowMatches, specificityOf } from "../../support/reference-matcher.ts";
import { seededRandom } from "../../support/seeded-random.ts";

function ingress(
  id: string,
  ...rules: readonly Partial<Omit<IngressRule, "match"> & { match: Partial<IngressMatch> }>[]
): Ingress {
  return {
    id,
    name: `name-of-${id}`,
    rules: rules.map(({ match, ...rest }) => ({
      match: { hostname: "a.test", port: 80, ...match },
      target: { instance: "web-1", port: 8080 },
      tls: false,
      redirect_http: false,
      ...rest,
    })),
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}

/** V8's own collector, which tests need before they compare heap sizes. */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

describe("ClaimIndex", () => {
  it("names who holds a claim, and frees it with its ingress", () => {
    const claims = new ClaimIndex();
    const held = ingress("one", { match: { hostname: "b.test" } }, {});
    claims.add(held);
    const wanted = ingress("two", {}).rules;
    expect(claims.conflicts(wanted)).toMatchObject([
      {
        ruleIndex: 0,
        kind: "rule",
        holder: { kind: "ingress", id: "one", name: "name-of-one", ruleIndex: 1 },
      },
    ]);
    expect(claims.conflicts(wanted, "one")).toEqual([]);
    claims.remove(held);
    expect(claims.conflicts(wanted)).toEqual([]);
  });

  it("keeps a claim that another ingress holds as well", () => {
    const claims = new ClaimIndex();
    const [one, other, third] = [ingress("one", {}), ingress("other", {}), ingress("third", {})];
    for (const each of [one, other, third]) claims.add(each);
    const wanted = ingress("new", {}).rules;
    claims.remove(one);
    expect(claims.conflicts(wanted)).toMatchObject([{ holder: { id: "other" } }]);
    expect(claims.conflicts(wanted, "other")).toMatchObject([{ holder: { id: "third" } }]);
    claims.remove(third);
    claims.remove(other);
    expect(claims.conflicts(wanted)).toEqual([]);
  });

  it("removes nothing of another ingress with the same claim", () => {
    const claims = new ClaimIndex();
    claims.add(ingress("one", {}));
    claims.remove(ingress("other", {}));
    expect(claims.conflicts(ingress("new", {}).rules)).toHaveLength(1);
  });

  it("holds redirects of a host against redirects to other ports only", () => {
    const claims = new ClaimIndex();
    const secure = { tls: true, redirect_http: true } as const;
    const held = ingress("one", { match: { hostname: "{a}.test", port: 443 }, ...secure });
    claims.add(held);
    const other = (port: number) =>
      ingress("new", {
        match: { hostname: "*.test", port, path: { type: "prefix", value: "/x" } },
        ...secure,
      }).rules;
    expect(claims.conflicts(other(443))).toEqual([]);
    expect(claims.conflicts(other(8443))).toMatchObject([{ kind: "redirect", holder: { id: "one" } }]);
    expect(claims.conflicts(other(8443), "one")).toEqual([]);
    expect(claims.conflicts(ingress("new", { match: { hostname: "*.test" } }).rules)).toEqual([]);
    claims.remove(held);
    expect(claims.conflicts(other(8443))).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, boolean]>([
    ["in another case and order", { B: "1", a: "2" }, { A: "2", b: "1" }, true],
    ["with values that stand at each other's names", { a: "1", b: "2" }, { B: "1", A: "2" }, false],
    ["whose values differ in case", { a: "x" }, { A: "X" }, false],
    ["that share one name", { c: "3", B: "1" }, { b: "1", A: "2" }, true],
    ["that share one name, and differ", { c: "3", B: "1" }, { b: "2", A: "2" }, false],
    ["that share no name", { a: "1" }, { b: "1" }, true],
  ])("headers %s", (_what, left, right, meet) => {
    for (const [held, wanted] of [
      [left, right],
      [right, left],
    ] as const) {
      const claims = new ClaimIndex();
      const one = ingress("one", { match: { headers: held } });
      claims.add(one);
      claims.add(ingress("same names", { match: { headers: { A: "0", b: "0" } } }));
      const { rules } = ingress("new", { match: { headers: wanted } });
      expect(
        claims.conflicts(rules).filter(({ holder }) => holder.kind === "ingress" && holder.id === "one"),
      ).toHaveLength(meet ? 1 : 0);
      claims.remove(one);
      expect(claims.conflicts(rules)).toEqual([]);
    }
  });

  it("takes so many sets of header names in a document, each once whatever its case and order", () => {
    const names = [..."ABCDEFG"];
    // Each of another order.
    const turned = Array.from({ length: 42 }, (_, index) => {
      const [at, step] = [index % 7, 1 + Math.floor(index / 7)];
      const inOrder = names.map((_, place) => names[(at + place * step) % 7] ?? "");
      const entries = inOrder.map((name) => [index % 2 === 0 ? name : name.toLowerCase(), `${index}`]);
      return { match: { headers: Object.fromEntries(entries) as Record<string, string> } };
    });
    const orders = turned.map(({ match }) => Object.keys(match.headers).join("").toUpperCase());
    expect(new Set(orders).size).toBeGreaterThan(MOST_HEADER_SETS);
    expect(new ClaimIndex().conflicts(ingress("new", ...turned).rules)).toEqual([]);
    const others = Array.from({ length: MOST_HEADER_SETS + 2 }, (_, index) => ({
      match: { headers: { Same: `${index}`, [`X-${index}`]: "1" } },
    }));
    const conflicts = new ClaimIndex().conflicts(ingress("new", ...others).rules);
    expect(conflicts.map(({ kind, ruleIndex }) => [kind, ruleIndex])).toEqual([
      ["headers", MOST_HEADER_SETS],
      ["headers", MOST_HEADER_SETS + 1],
    ]);
  });

  it("keeps every port of a host that an unreadable file names", () => {
    const claims = new ClaimIndex();
    claims.addUnreadable("broken", ["B.test.", "{x}.dev.test", "not a name"]);
    const conflicts = (hostname: string, port: number) =>
      claims.conflicts(ingress("new", { match: { hostname, port } }).rules);
    for (const port of [80, 443, 9999]) {
      expect(conflicts("b.test", port)).toMatchObject([
        { kind: "unreadable", holder: { kind: "file", id: "broken" } },
      ]);
    }
    expect(conflicts("*.dev.test", 80)).toHaveLength(1);
    expect(conflicts("a.test", 80)).toEqual([]);
    expect(claims.conflicts(ingress("new", { match: { hostname: "b.test" } }).rules, "broken")).toEqual([]);
    claims.addUnreadable("other", ["b.test"]);
    claims.removeUnreadable("broken");
    expect(conflicts("b.test", 80)).toMatchObject([{ holder: { id: "other" } }]);
    claims.removeUnreadable("other");
    expect(conflicts("b.test", 80)).toEqual([]);
  });

  it("leaves out rules that are invalid by themselves, and keeps the numbers of the others", () => {
    const [rule] = ingress("new", {}).rules;
    expect(new ClaimIndex().conflicts([undefined, rule, undefined, rule])).toMatchObject([
      { ruleIndex: 3, holder: { kind: "document", ruleIndex: 1 } },
    ]);
  });

  it("costs at most 250 bytes a rule and no search, with 100,000 ingresses", () => {
    const ingresses = Array.from({ length: 100_000 }, (_, index) =>
      ingress(`id-${index}`, { match: { hostname: `host-${index}.example.com` } }),
    );
    const collect = garbageCollector();
    collect();
    const before = process.memoryUsage().heapUsed;
    const claims = new ClaimIndex();
    for (const one of ingresses) claims.add(one);
    collect();
    expect((process.memoryUsage().heapUsed - before) / ingresses.length).toBeLessThan(250);
    const wanted = ingress("new", { match: { hostname: "host-99999.example.com" } }).rules;
    expect(claims.conflicts(wanted)).toHaveLength(1);
    for (const one of ingresses) claims.remove(one);
    expect(claims.conflicts(wanted)).toEqual([]);
  });

  it.each([
    ["values of one header", (index: number) => ({ headers: { "X-Tenant": `tenant-${index}` } })],
    ["paths", (index: number) => ({ path: { type: "prefix", value: `/tenant-${index}` } as const })],
  ])("needs no search among many %s of one host", (_, matchOf) => {
    const many = (size: number) =>
      ingress("one", ...Array.from({ length: size }, (__, index) => ({ match: matchOf(index) })));
    const documents = new Map([2_500, 20_000].map((size) => [size, many(size)]));
    const growth = growthOf((size) => {
      const one = documents.get(size) as Ingress;
      const claims = new ClaimIndex();
      claims.add(one);
      expect(claims.conflicts(one.rules)).toHaveLength(size);
      expect(claims.conflicts(one.rules, "one")).toEqual([]);
      claims.remove(one);
      expect(claims.conflicts(one.rules)).toEqual([]);
    }, 2_500);
    expect(growth).toBeLessThan(24);
  });
});

describe("claims and precedence", () => {
  const hosts = ["a.test", "{x}.test", "{y}.test", "*.test", "*"];
  const paths = [
    undefined,
    { type: "prefix", value: "/" },
    { type: "prefix", value: "/a" },
    { type: "exact", value: "/a" },
  ] as const;
  const methods = [undefined, ["GET"], ["GET", "PUT"], ["PUT"]] as const;
  const headers = [
    undefined,
    { A: "1" },
    { a: "2" },
    { B: "1" },
    { A: "1", B: "1" },
    { a: "1", B: "2" },
  ] as const;

  const pick = <Item>(random: () => number, items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)] as Item;

  function randomMatch(random: () => number): IngressMatch {
    const [path, method, header] = [pick(random, paths), pick(random, methods), pick(random, headers)];
    return {
      hostname: pick(random, hosts),
      port: random() < 0.9 ? 80 : 81,
      ...(path === undefined ? {} : { path }),
      ...(method === undefined ? {} : { methods: method }),
      ...(header === undefined ? {} : { headers: header }),
    };
  }

  /** A rule that shares most of its parts with another one, since rules drawn apart rarely meet. */
  function similarMatch(match: IngressMatch, random: () => number): IngressMatch {
    const { hostname, port, ...rest } = {
      ...match,
      ...(random() < 0.5 ? { hostname: pick(random, hosts) } : {}),
    };
    const kept = Object.entries(rest).filter(() => random() < 0.9);
    const drawn = Object.entries(randomMatch(random)).filter(() => random() < 0.3);
    return { hostname, port, ...Object.fromEntries(kept), ...Object.fromEntries(drawn) };
  }

  /** Every request that could tell rules of this alphabet apart. */
  const requests: readonly CaseRequest[] = [80, 81].flatMap((port) =>
    ["a.test", "b.test", "c.d.test"].flatMap((host) =>
      ["/", "/a", "/a/b", "/c"].flatMap((path) =>
        ["GET", "PUT", "POST"].flatMap((method) =>
          [undefined, "1", "2"].flatMap((a) =>
            [undefined, "1", "2"].map((b) => ({
              port,
              host,
              path,
              method,
              headers: { ...(a === undefined ? {} : { A: a }), ...(b === undefined ? {} : { B: b }) },
              tls: false,
            })),
          ),
        ),
      ),
    ),
  );

  const rowOf = (id: string, { hostname, ...match }: IngressMatch): Row => ({
    id,
    ingress: id,
    host: hostname,
    ...match,
  });

  it("says conflict exactly when two rules tie and one request matches both", () => {
    const random = seededRandom(42);
    const seen = { conflict: 0, none: 0 };
    for (let round = 0; round < 1_500; round += 1) {
      const left = randomMatch(random);
      const right = similarMatch(left, random);
      const [one, other] = [rowOf("left", left), rowOf("right", right)];
      const tie =
        comparePrecedence(specificityOf(one), specificityOf(other)) === 0 && left.port === right.port;
      const meet = requests.some((request) => rowMatches(one, request) && rowMatches(other, request));
      const claims = new ClaimIndex();
      claims.add(ingress("left", { match: left }));
      const conflict = claims.conflicts(ingress("right", { match: right }).rules).length > 0;
      expect(conflict, JSON.stringify([left, right])).toBe(tie && meet);
      expect(
        new ClaimIndex().conflicts(ingress("both", { match: left }, { match: right }).rules).length > 0,
      ).toBe(conflict);
      seen[conflict ? "conflict" : "none"] += 1;
    }
    // The alphabet is small enough that both happen often.
    expect(Math.min(seen.conflict, seen.none)).toBeGreaterThan(100);
  });

  it("gives every request at most one first rule among rules without a conflict", () => {
    const random = seededRandom(1);
    for (let round = 0; round < 40; round += 1) {
      const claims = new ClaimIndex();
      const rows: Row[] = [];
      for (let index = 0; index < 30; index += 1) {
        const one = ingress(`id-${index}`, { match: randomMatch(random) });
        if (claims.conflicts(one.rules).length > 0) continue;
        claims.add(one);
        rows.push(...one.rules.map(({ match }) => rowOf(one.id, match)));
      }
      for (const request of requests) {
        const [first, second] = rows.filter((row) => rowMatches(row, request)).sort(compareRows);
        if (first === undefined || second === undefined) continue;
        expect(
          comparePrecedence(specificityOf(first), specificityOf(second)),
          `${first.id} ${second.id}`,
        ).toBeLessThan(0);
      }
    }
  });
});
