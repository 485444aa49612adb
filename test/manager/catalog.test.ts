import { describe, expect, it } from "vitest";
import { compileConfig } from "../../src/compiler/compile.ts";
import { policySetsOf } from "../../src/compiler/rows.ts";
import { Catalog, type IngressChange } from "../../src/manager/catalog.ts";
import type { Ingress } from "../../src/model/api.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { seededRandom } from "../support/seeded-random.ts";

const settings = compilerSettings();

function ingress(id: string, port: number): Ingress {
  const match = { hostname: `${id}.example.com`, port };
  return {
    id,
    name: `name-${id}`,
    rules: [{ match, target: { instance: "web-1", port: 8080 }, tls: false, redirect_http: false }],
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
  };
}

/** A change that fits what is staged. */
function randomChange(catalog: Catalog, random: () => number): IngressChange {
  const id = `i${Math.floor(random() * 12)}`;
  const before = catalog.getStaged(id);
  if (before === undefined) return { after: ingress(id, 80 + Math.floor(random() * 3)) };
  return random() < 0.5 ? { before } : { before, after: ingress(id, 80 + Math.floor(random() * 3)) };
}

describe("Catalog", () => {
  it("derives the same from any path of staging, taking back and committing", () => {
    const random = seededRandom(7);
    const catalog = new Catalog(settings);
    for (let round = 0; round < 300; round += 1) {
      const changes = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
        const change = randomChange(catalog, random);
        catalog.stage(change);
        return change;
      });
      const committed = [...catalog.list()];
      if (random() < 0.4) for (const change of changes.toReversed()) catalog.unstage(change);
      else catalog.commit();
      const wanted = compile(catalog.values(), settings);
      expect(catalog.stagedVersion).toBe(wanted.table.version);
      expect(catalog.committedVersion).toBe(wanted.table.version);
      expect(compileConfig(catalog.needs, settings)).toEqual(wanted.config);
      const rows = catalog.rows().map(({ row }) => row);
      expect(rows.toSorted((one, other) => (one.id < other.id ? -1 : 1))).toEqual(wanted.table.rows);
      expect(policySetsOf(catalog.rows())).toEqual(wanted.table.policy_sets);
      for (const { id, name } of catalog.values()) expect(catalog.idOfName(name)).toBe(id);
      expect(committed.map(({ id }) => id)).toEqual(committed.map(({ id }) => id).toSorted());
    }
  });

  it("shows readers nothing that is only staged", () => {
    const catalog = new Catalog(settings);
    const one = ingress("one", 80);
    catalog.stage({ after: one });
    expect(catalog.get("one")).toBeUndefined();
    expect([...catalog.list()]).toEqual([]);
    catalog.commit();
    catalog.stage({ before: one });
    expect(catalog.get("one")).toBe(one);
    expect(catalog.getStaged("one")).toBeUndefined();
  });

  it("counts the certificates that committed ingresses need apart from those of staged ones", () => {
    const catalog = new Catalog(compilerSettings({ acme: { email: "ops@example.com" } }));
    const before = catalog.committedTls;
    const one = ingress("a", 443);
    const rules = one.rules.map((rule) => ({ ...rule, tls: true }));
    catalog.stage({ after: { ...one, rules } });
    expect(catalog.committedTls).toBe(before);
    catalog.commit();
    expect(catalog.committedTls).not.toBe(before);
  });

  it("merges to a delta that turns the committed table into the staged one", () => {
    const random = seededRandom(8);
    const catalog = new Catalog(settings);
    const rows = new Map<string, unknown>();
    for (let round = 0; round < 200; round += 1) {
      const { remove, upsert } = catalog.stage(randomChange(catalog, random));
      for (const id of remove) rows.delete(id);
      for (const compiled of upsert) rows.set(compiled.row.id, compiled);
      catalog.commit();
      expect([...rows.values()]).toHaveLength(catalog.rows().length);
      for (const compiled of catalog.rows()) expect(rows.get(compiled.row.id)).toEqual(compiled);
    }
  });

  it("lists by id and finds by the start of ids after any changes", () => {
    const random = seededRandom(11);
    const catalog = new Catalog(settings);
    for (let round = 0; round < 300; round += 1) {
      const many = round % 50 === 0 ? 100 : 1 + Math.floor(random() * 4);
      for (let step = 0; step < many; step += 1) catalog.stage(randomChange(catalog, random));
      catalog.commit();
      if (random() < 0.3) continue;
      const ids = [...catalog.values()].map(({ id }) => id).sort();
      expect([...catalog.list()].map(({ id }) => id)).toEqual(ids);
      for (const prefix of ["", "i", "i1", "i11", "i111", "j"])
        expect(catalog.idsStartingWith(prefix, 2)).toEqual(
          ids.filter((id) => id.startsWith(prefix)).slice(0, 2),
        );
    }
  });

  it("lists what there was at the call, whatever comes and goes meanwhile", () => {
    const catalog = new Catalog(settings);
    for (const id of ["b", "d", "f"]) catalog.stage({ after: ingress(id, 80) });
    catalog.commit();
    const seen: string[] = [];
    for (const { id } of catalog.list()) {
      if (id === "b") {
        for (const late of ["a", "c"]) catalog.stage({ after: ingress(late, 80) });
        catalog.commit();
        expect(catalog.idsStartingWith("c", 1)).toEqual(["c"]);
      }
      seen.push(id);
    }
    expect(seen).toEqual(["b", "d", "f"]);
  });

  it("C9: lists one moment: what changes or goes meanwhile is listed as it was", () => {
    const catalog = new Catalog(settings);
    const before = ["a", "b", "c", "d"].map((id) => ingress(id, 80));
    for (const after of before) catalog.stage({ after });
    catalog.commit();
    const seen: Ingress[] = [];
    const other: Ingress[] = [];
    for (const one of catalog.list()) {
      seen.push(one);
      if (one.id !== "a") continue;
      const [a, b, c, d] = before as [Ingress, Ingress, Ingress, Ingress];
      // The hostname of `a`, which has been listed, goes to `d`; then more changes, and another list.
      catalog.stage({ before: a });
      catalog.stage({ before: d, after: { ...d, rules: a.rules } });
      catalog.commit();
      other.push(...catalog.list());
      catalog.stage({ before: { ...d, rules: a.rules }, after: d });
      catalog.stage({ before: b });
      catalog.stage({ before: c, after: { ...c, name: "other" } });
      catalog.commit();
    }
    expect(seen).toEqual(before);
    expect(other.map(({ id, rules }) => [id, rules[0]?.match.hostname])).toEqual([
      ["b", "b.example.com"],
      ["c", "c.example.com"],
      ["d", "a.example.com"],
    ]);
  });

  it("keeps names that are swapped, in any order, also when that is taken back", () => {
    const [one, other] = [ingress("one", 80), ingress("other", 80)];
    const swap = [
      { before: one, after: { ...one, name: other.name } },
      { before: other, after: { ...other, name: one.name } },
    ];
    for (const changes of [swap, swap.toReversed()]) {
      const catalog = new Catalog(settings);
      for (const ingress of [one, other]) catalog.load(ingress);
      catalog.loaded();
      for (const change of changes) catalog.stage(change);
      expect([catalog.idOfName(one.name), catalog.idOfName(other.name)]).toEqual(["other", "one"]);
      for (const change of changes.toReversed()) catalog.unstage(change);
      expect([catalog.idOfName(one.name), catalog.idOfName(other.name)]).toEqual(["one", "other"]);
      expect([catalog.committedNamed(one.name), catalog.committedNamed(other.name)]).toEqual([one, other]);
    }
  });

  it("names those that have or are about to have the name or claims of an ingress", () => {
    const catalog = new Catalog(settings);
    const [one, other] = [ingress("one", 80), ingress("other", 80)];
    catalog.load(one);
    catalog.loaded();
    catalog.stage({ after: other });
    const wanted = { ...ingress("new", 80), name: one.name, rules: other.rules };
    expect([...catalog.holdersOf(wanted)].sort()).toEqual(["one", "other"]);
    expect([...catalog.holdersOf({ ...wanted, id: "one" })]).toEqual(["other"]);
    expect([...catalog.holdersOf({ ...wanted, id: "other" })]).toEqual(["one"]);
    expect(catalog.holdersOf(ingress("free", 80)).size).toBe(0);
  });

  it("says what the committed ingresses need while something is staged", () => {
    const catalog = new Catalog(settings);
    const one = ingress("one", 81);
    catalog.load(one);
    catalog.loaded();
    expect(catalog.committedNeeds()).toBe(catalog.needs);
    catalog.stage({ before: one, after: ingress("one", 82) });
    catalog.stage({ after: ingress("two", 83) });
    expect(
      catalog
        .committedNeeds()
        .ports()
        .map(({ port }) => port),
    ).toEqual([81]);
    expect(catalog.needs.ports().map(({ port }) => port)).toEqual([82, 83]);
    catalog.commit();
    expect(catalog.committedNeeds()).toBe(catalog.needs);
  });

  it("stages nothing for a change of nothing", () => {
    const catalog = new Catalog(settings);
    expect(catalog.stage({})).toEqual({ remove: [], upsert: [] });
    catalog.unstage({});
    catalog.commit();
    expect([...catalog.list()]).toEqual([]);
  });

  it("finds a committed name while its deletion or its loss is staged", () => {
    const catalog = new Catalog(settings);
    const [one, other] = [ingress("one", 80), ingress("other", 80)];
    for (const after of [one, other]) catalog.stage({ after });
    catalog.commit();
    catalog.stage({ before: one });
    catalog.stage({ before: other, after: { ...other, name: one.name } });
    expect(catalog.committedNamed(one.name)).toBe(one);
    expect(catalog.committedNamed(other.name)).toBe(other);
    catalog.stage({ after: ingress("new", 80) });
    expect(catalog.committedNamed("name-new")).toBeUndefined();
    expect(catalog.committedNamed("name-of-nobody")).toBeUndefined();
    catalog.commit();
    expect(catalog.committedNamed(one.name)?.id).toBe("other");
    expect(catalog.committedNamed(other.name)).toBeUndefined();
  });
});
