import { beforeEach, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { TableCount } from "../../src/manager/table-count.ts";

let count: TableCount;
beforeEach(() => {
  count = new TableCount();
});

const make = (code?: "caddy_unavailable" | "config_validation_failed"): Promise<unknown> =>
  count
    .change(() =>
      code === undefined ? Promise.resolve() : Promise.reject(new GatewrightError(code, "failed")),
    )
    .catch((error: GatewrightError) => error.code);
/** The highest count that is taken for one of ours. */
const highest = (): number => [...Array(100).keys()].findLast((changes) => count.isOurs(changes)) ?? -1;

it("takes any count before one is known, with another process, and from a Caddy that does not count", () => {
  expect(count.isOurs(7)).toBe(true);
  count.know(3);
  expect([count.isOurs(undefined), count.isOurs(3), count.isOurs(4)]).toEqual([true, true, false]);
  count.forget();
  expect(count.isOurs(7)).toBe(true);
});

it.each<[string, readonly ("caddy_unavailable" | "config_validation_failed" | undefined)[], number]>([
  ["changes that were made", [undefined, undefined], 5],
  ["changes whose answers were lost", ["caddy_unavailable", "caddy_unavailable"], 5],
  ["no change that was refused", ["config_validation_failed", undefined, "config_validation_failed"], 4],
])("counts %s", async (_, changes, expected) => {
  count.know(3);
  for (const code of changes) expect(await make(code)).toBe(code);
  expect(highest()).toBe(expected);
  count.know(9);
  expect(highest()).toBe(9);
});

it("counts a change from the moment that it is sent", async () => {
  count.know(3);
  const sent = Promise.withResolvers<void>();
  const change = count.change(() => sent.promise);
  expect(highest()).toBe(4);
  sent.resolve();
  await change;
  expect(highest()).toBe(4);
});

it("forgets changes of a former process, also those that are refused late", async () => {
  count.know(3);
  await make("caddy_unavailable");
  const late = Promise.withResolvers<void>();
  const change = count.change(() => late.promise);
  count.forget();
  count.know(1);
  late.reject(new GatewrightError("config_validation_failed", "refused"));
  await change.catch(() => undefined);
  expect(highest()).toBe(1);
  await make();
  expect(highest()).toBe(2);
});
