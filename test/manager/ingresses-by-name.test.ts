import { expect, it } from "vitest";
import { IngressesByName } from "../../src/manager/ingresses-by-name.ts";
import type { Ingress } from "../../src/model/api.ts";
import { ingressOf } from "../support/sketch.ts";

const one = (id: string, name: string, more: Partial<Ingress> = {}): Ingress =>
  ingressOf(id, { name, ...more });

/** Applies batches of changes, as a catalog does, and asks after each. */
function asked(batches: readonly (readonly (readonly [string, Ingress | undefined])[])[]) {
  const committed = new Map<string, Ingress>();
  const byName = new IngressesByName();
  const ask = () => byName.values(() => committed.values());
  ask();
  for (const batch of batches) {
    for (const [id, after] of batch) byName.note(committed.get(id), after);
    for (const [id, after] of batch) {
      if (after === undefined) committed.delete(id);
      else committed.set(id, after);
    }
    const wanted = [...committed.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(ask()).toEqual(wanted);
  }
  return ask;
}

it("follows creations, changes, renames and deletions", () => {
  asked([
    [
      ["1", one("1", "b")],
      ["2", one("2", "d")],
    ],
    [["3", one("3", "c")]],
    [["1", one("1", "b", { tags: { a: "b" } })]],
    [["1", one("1", "e")]],
    [["2", undefined]],
    [["2", one("2", "d")]],
  ]);
});

it("keeps two that exchange their names in one batch, and one that takes a name that goes", () => {
  asked([
    [
      ["1", one("1", "a")],
      ["2", one("2", "b")],
      ["3", one("3", "c")],
    ],
    [
      ["1", one("1", "b")],
      ["2", one("2", "a")],
    ],
    [
      ["2", one("2", "c")],
      ["3", undefined],
    ],
  ]);
});

it("is as right after many changes at once as after few", () => {
  const many = Array.from({ length: 500 }, (_, index) => String((index * 7919) % 500));
  const batch = (name: (id: string) => string) => many.map((id) => [id, one(id, name(id))] as const);
  asked([
    batch((id) => `site-${id}`),
    batch((id) => (Number(id) % 2 === 0 ? `site-${id}` : `moved-${id}`)),
    many.map((id) => [id, Number(id) % 3 === 0 ? undefined : one(id, `again-${id}`)] as const),
    [["7", one("7", "a-single-one")]],
  ]);
});

it("hands out lists that stay as they were, the same one to all who ask at one moment", () => {
  const ask = asked([[["1", one("1", "a")]]]);
  expect(ask()).toBe(ask());
  const byName = new IngressesByName();
  const [first, second] = [one("1", "a"), one("2", "b")];
  const before = byName.values(() => [first]);
  byName.note(undefined, second);
  expect([byName.values(() => []), before]).toEqual([[first, second], [first]]);
});
