import { join } from "node:path";
import { expect, it } from "vitest";
import type { ApplyResult } from "../../../src/model/api.ts";
import { call, putInstance } from "../../support/api.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { measuringTurns, turnsAt } from "../../support/turns-client.ts";
import { until } from "../../support/until.ts";

const SIZE = 10_000;
/** What else waits for the manager, DNS questions and health checks, waits no longer. */
const LONGEST_MS = 20;

/** Lines of a set whose ingresses lead to a port. */
function linesTo(port: number): string {
  const line = (index: number) => ({
    name: `n${index}`,
    rules: [{ match: { hostname: `h${index}.example.com` }, target: { instance: "web-1", port } }],
  });
  return Array.from({ length: SIZE }, (_, index) => JSON.stringify(line(index))).join("\n");
}

// Processor time, which other work on the machine changes little; what little that is, a second look is for.
it("10,000 ingresses in one request hold up nothing else for longer than 20 ms", { retry: 1 }, async () => {
  await using folder = await temporaryFolder();
  const socket = join(folder.path, "turns");
  await using site = await startGatewright(measuringTurns(socket));
  await putInstance(site.url, "web-1", "127.0.0.1");
  const apply = async (body: string, query = ""): Promise<ApplyResult> => {
    const headers = { "content-type": "application/x-ndjson" };
    const answer = await call<ApplyResult>(`${site.url}/apply${query}`, { body, headers, timeoutMs: 60_000 });
    return answer.body;
  };
  await until(async () => (await turnsAt(socket)).isSettled);
  const works = [
    ["first", () => apply(linesTo(80)), { created: SIZE }],
    ["equal", () => apply(linesTo(80)), { unchanged: SIZE }],
    ["other", () => apply(linesTo(81)), { changed: SIZE }],
    ["none", () => apply("", "?prune=all"), { deleted: SIZE }],
  ] as const;
  const longest: { [work: string]: number } = {};
  for (const [name, work, effect] of works) {
    await turnsAt(socket);
    expect(await work()).toMatchObject(effect);
    const { longestMs, turns } = await turnsAt(socket);
    expect(turns).toBeGreaterThan(SIZE / 100);
    longest[name] = longestMs;
  }
  expect(Object.entries(longest).filter(([, ms]) => ms > LONGEST_MS)).toEqual([]);
});
