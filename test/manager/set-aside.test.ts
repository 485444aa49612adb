import { beforeEach, describe, expect, it } from "vitest";
import { SetAside, type Wanted } from "../../src/manager/set-aside.ts";
import type { Ingress, SetAsideIngress } from "../../src/model/api.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

let setAside: SetAside;
beforeEach(() => {
  setAside = new SetAside();
});

const conflicting = (ingress: Ingress): SetAsideIngress => ({
  id: ingress.id,
  name: ingress.name,
  reason: "conflict",
  problems: [],
  hostnames: [],
  ports: [],
  ingress,
});
const unreadable = (id: string, more: Partial<SetAsideIngress> = {}): SetAsideIngress => ({
  id,
  reason: "unreadable",
  problems: [],
  hostnames: [`${id}.example.com`],
  ports: [],
  ...more,
});
const wanted = (name: string, ...hostnames: readonly string[]): Wanted => ({
  name,
  rules: hostnames.map((hostname) => ruleOf({ hostname })),
});

/** Which ids stand against a document, of its name and of its claims. */
function against(document: Wanted, selfId?: string, before?: Ingress): { name: string; claims: string } {
  const { name, claims } = setAside.problems(document, selfId, before);
  const ids = (problems: typeof name): string =>
    problems.map(({ message }) => /DELETE \/ingresses\/(\S+)\)/.exec(message)?.[1] ?? message).join();
  return { name: ids(name), claims: ids(claims) };
}

describe("what is set aside", () => {
  it("keeps its name and its claims, in words that say what to do", () => {
    setAside.add(conflicting(ingressOf("a")));
    setAside.add(unreadable("b", { name: "name-b" }));
    const { name, claims } = setAside.problems(wanted("a", "a.example.com", "b.example.com"));
    const remedy = (id: string): string => `replace or delete it (PUT or DELETE /ingresses/${id})`;
    expect(name).toEqual([
      {
        code: "already_exists",
        field: "name",
        message: `ingress already exists: ingress with name "a" already exists; it is set aside: ${remedy("a")}`,
      },
    ]);
    expect(claims).toEqual([
      {
        code: "hostname_in_use",
        field: "rules[0].match.hostname",
        message: `hostname already in use by another ingress: hostname "a.example.com" on port 80 is already used by ingress "a", which is set aside: ${remedy("a")}`,
      },
      {
        code: "hostname_in_use",
        field: "rules[1].match.hostname",
        message: `hostname already in use: hostname "b.example.com" is named in the unreadable file of "b"; ${remedy("b")}`,
      },
    ]);
    expect(against(wanted("name-b")).name).toBe("b");
    expect(against(wanted("other", "other.example.com"))).toEqual({ name: "", claims: "" });
  });

  it("keeps ports of layer 4", () => {
    setAside.add(unreadable("db", { hostnames: [], ports: ["5432/tcp"] }));
    const rules = [ruleOf({ protocol: "tcp", port: 5432 }), ruleOf({ protocol: "udp", port: 5432 })];
    expect(setAside.problems({ name: "new", rules }).claims.map(({ field }) => field)).toEqual([
      "rules[0].match.port",
    ]);
  });

  it("keeps its claims where it is served only", () => {
    setAside.add(conflicting(ingressOf("a", { gateways: ["edge-1"] })));
    expect(against({ ...wanted("new", "a.example.com"), gateways: ["edge-2"] }).claims).toBe("");
    expect(against({ ...wanted("new", "a.example.com"), gateways: ["edge-1"] }).claims).toBe("a");
  });

  it("does not answer for a document that is at odds with itself", () => {
    setAside.add(conflicting(ingressOf("a")));
    expect(against(wanted("new", "twice.test", "twice.test")).claims).toBe("");
  });

  it("gives all back when it is mended or deleted", () => {
    const entries = [conflicting(ingressOf("a")), unreadable("b", { name: "b" }), unreadable("c")];
    for (const entry of entries) setAside.add(entry);
    expect(setAside.list()).toHaveLength(3);
    for (const { id } of entries) {
      setAside.remove(id);
      setAside.remove(id);
      expect(setAside.get(id)).toBeUndefined();
      expect(against(wanted(id, `${id}.example.com`))).toEqual({ name: "", claims: "" });
    }
    expect(setAside.list()).toEqual([]);
  });

  it("is listed by id, and found by id and by name", () => {
    for (const id of ["c", "a", "b"]) setAside.add(unreadable(id, id === "b" ? {} : { name: `name-${id}` }));
    expect(setAside.list().map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect([setAside.get("a")?.id, setAside.named("name-c")?.id]).toEqual(["a", "c"]);
    expect([setAside.get("name-a"), setAside.named("b")]).toEqual([undefined, undefined]);
  });
});

describe("several of one name", () => {
  beforeEach(() => {
    for (const id of ["a", "b"]) setAside.add(unreadable(id, { name: "shared" }));
  });

  it("keep it until the last one goes", () => {
    expect(against(wanted("shared")).name).toBe("a");
    setAside.remove("a");
    expect(against(wanted("shared")).name).toBe("b");
    expect(setAside.named("shared")?.id).toBe("b");
    setAside.remove("b");
    expect(against(wanted("shared")).name).toBe("");
    expect(setAside.named("shared")).toBeUndefined();
  });

  it("stand against each other when one is mended", () => {
    expect(against(wanted("shared"), "a").name).toBe("b");
  });
});

describe("an ingress that stands against one of them already", () => {
  const winner = ingressOf("winner", { rules: [ruleOf({ hostname: "contested.test" })] });

  it("is not held up by what that one claims, be it named now or not", () => {
    const rules = [ruleOf({ hostname: "contested.test" }), ruleOf({ hostname: "more.test" })];
    setAside.add(conflicting(ingressOf("loser", { rules })));
    expect(against(wanted("winner", "contested.test", "more.test"), "winner", winner)).toEqual({
      name: "",
      claims: "",
    });
    expect(against(wanted("loser", "free.test"), "winner", winner).name).toBe("");
    expect(against(wanted("other", "more.test"), "other", ingressOf("other")).claims).toBe("loser");
  });

  it("is not held up by one that has its name", () => {
    setAside.add(unreadable("loser", { name: "winner" }));
    expect(against(wanted("winner", "loser.example.com"), "winner", winner)).toEqual({
      name: "",
      claims: "",
    });
  });

  it("is held up by the others", () => {
    setAside.add(unreadable("loser", { name: "winner" }));
    setAside.add(unreadable("third", { name: "third" }));
    expect(against(wanted("third", "third.example.com"), "winner", winner)).toEqual({
      name: "third",
      claims: "third",
    });
  });
});

describe("what a damaged line of the journal names", () => {
  it("stays taken, though nothing is listed, until the file is looked at", () => {
    setAside.addDamage(
      ".journal-00000001",
      '"match":{"protocol":"tcp","port":25 "match":{"hostname":"lost.test"',
    );
    expect(setAside.list()).toEqual([]);
    const rules = [ruleOf({ hostname: "lost.test" }), ruleOf({ protocol: "tcp", port: 25 })];
    expect(setAside.problems({ name: "new", rules }).claims.map(({ message }) => message)).toEqual([
      expect.stringMatching(/"lost.test".*; compare the journal file with the ingresses, then remove it$/),
      expect.stringMatching(/port 25.*; compare the journal file with the ingresses, then remove it$/),
    ]);
  });
});
