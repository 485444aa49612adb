import { expect, it } from "vitest";
import { Smallest } from "../../src/util/smallest.ts";
import { seededRandom } from "../support/seeded-random.ts";

it.each([
  [0, 10],
  [1, 10],
  [9, 10],
  [10, 10],
  [1_000, 10],
  [1_000, 1],
])("keeps of %i those %i with the smallest keys, in their order", (count, most) => {
  const random = seededRandom(count + most);
  const keys = Array.from({ length: count }, () => Math.floor(random() * 500));
  const smallest = new Smallest<number>(most);
  for (const key of keys) smallest.offer(key, key);
  expect(smallest.items()).toEqual(keys.toSorted((one, other) => one - other).slice(0, most));
});
