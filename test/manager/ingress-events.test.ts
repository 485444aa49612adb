import { expect, it } from "vitest";
import { ingressEvents } from "../../src/manager/ingress-events.ts";
import type { Ingress } from "../../src/model/api.ts";
import { ourselves } from "../../src/model/attribution.ts";

const ingress = (name: string): Ingress => ({
  id: `id-${name}`,
  name,
  rules: [],
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
});
const unprogrammed = () =>
  ({ type: "Programmed", status: "False", reason: "OtherGateway", message: "elsewhere" }) as const;
const named = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ after: ingress(`n${index}`) }));
const ann = { actor: { subject: "ann", via: "api" } } as const;

it("says why what was stored is not served", () => {
  expect(ingressEvents([{ changes: named(1), by: ann }], unprogrammed)).toMatchObject([
    {
      type: "ingress.created",
      ...ann,
      data: { programmed: false, reason: "OtherGateway", explanation: "elsewhere" },
    },
  ]);
});

it("tells of what was set aside, which has no name perhaps", () => {
  const setAside = { id: "file", state: "set-aside", problems: [] } as never;
  const changes = [{ setAside }, { setAside, after: ingress("mended") }, {}];
  expect(ingressEvents([{ changes, by: ourselves }], unprogrammed)).toMatchObject([
    { type: "ingress.deleted", message: "ingress file was deleted", ingress: { id: "file" } },
    { type: "ingress.changed", ingress: { name: "mended" } },
  ]);
});

it("makes one event of many changes of one author, however they were committed", () => {
  const many = named(101);
  const mixed = [
    ...named(60),
    ...many.slice(60, 99).map(({ after }) => ({ before: after })),
    { before: ingress("x"), after: ingress("y") },
  ];
  const separate = (changes: readonly object[], by: typeof ann) =>
    changes.map((change) => ({ changes: [change], by }));
  expect(ingressEvents(separate(named(100), ann), unprogrammed)).toHaveLength(100);
  expect(
    ingressEvents([...separate(many, ann), { changes: named(1), by: { ...ann } }], unprogrammed),
  ).toMatchObject([
    { type: "ingress.batch", message: "ingresses in one batch: 101 created", ...ann },
    { type: "ingress.created" },
  ]);
  expect(ingressEvents([{ changes: [...mixed, ...named(1)], by: ann }], unprogrammed)).toMatchObject([
    {
      message: "ingresses in one batch: 61 created, 1 changed, 39 deleted",
      data: { created: { count: 61 }, changed: { count: 1, first: ["y"] }, deleted: { count: 39 } },
    },
  ]);
});
