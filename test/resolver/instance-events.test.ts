import { expect, it } from "vitest";
import { instanceEvents } from "../../src/resolver/instance-events.ts";
import { instanceFrom } from "../support/instances.ts";

it("makes one event of many changes in one step", () => {
  const changes = Array.from({ length: 101 }, (_, index) => {
    const instance = instanceFrom({ name: `vm-${index}` });
    return index < 99 ? { after: instance } : { before: instance };
  });
  expect(instanceEvents(changes.slice(1))).toHaveLength(100);
  expect(instanceEvents(changes)).toEqual([
    { type: "instance.batch", message: "instances: 99 appeared, 2 gone", data: { appeared: 99, gone: 2 } },
  ]);
});
