import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { claimsOf, verdictOf } from "../../support/history/check.ts";
import { HistoryClient, HOSTS, type Surprises } from "../../support/history/client.ts";
import { makeFaults } from "../../support/history/faults.ts";
import { type Holder, type Operation, Recorder, type Round } from "../../support/history/record.ts";
import { startHistoryWorld } from "../../support/history/world.ts";
import { whyNoNamespaces } from "../../support/namespaces.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { until } from "../../support/until.ts";

/** How long clients and faults go on; `HISTORY_SECONDS=1800` for a run by hand. */
const SECONDS = Number(process.env["HISTORY_SECONDS"] ?? 60);
const SEED = Number(process.env["HISTORY_SEED"] ?? Date.now() % 1_000_000);
/** After each of these all is quiet for a moment, so that what was unknown is known. */
const ROUND_MS = 20_000;

const missing = await whyNoNamespaces();
if (missing !== undefined) console.warn(`SKIPPED: ${missing}`);

function holdersOf(ingresses: readonly Ingress[]): Readonly<Record<string, Holder>> {
  const holders: Record<string, Holder> = {};
  for (const { name, rules } of ingresses)
    for (const { match, target } of rules) holders[match.hostname] = { name, port: Number(target?.port) };
  return holders;
}

it.skipIf(missing !== undefined)(
  "what gateways tell of hostnames has one order, whatever is killed, paused, cut off, compacted or has another clock",
  { timeout: 8 * SECONDS * 1000 + 240_000 },
  async () => {
    await using world = await startHistoryWorld();
    const random = seededRandom(SEED);
    const recorder = new Recorder();
    const surprises: Surprises = [];
    const faults: string[] = [];
    const clients = [0, 1, 2, 3, 4, 5].map((number) => {
      const gateway = world.gateways[number % 3] as (typeof world.gateways)[number];
      return new HistoryClient(number, gateway, recorder, random, surprises);
    });
    const rounds: Round[] = [];
    let before: Round["before"] = {};
    const end = Date.now() + SECONDS * 1000;
    while (Date.now() < end) {
      const until20 = Math.min(end, Date.now() + ROUND_MS);
      const isOver = (): boolean => Date.now() >= until20;
      await Promise.all([
        makeFaults(world, random, isOver, (fault) => faults.push(fault)),
        ...clients.map((client) => client.run(isOver)),
      ]);
      await world.settled();
      const lists = await Promise.all(world.gateways.map((gateway) => gateway.list()));
      const [holders, ...others] = lists.map(holdersOf);
      for (const other of others) expect(other).toEqual(holders);
      rounds.push({ before, operations: [...recorder.take(), ...reads(holders ?? {})] });
      before = holders ?? {};
      for (const gateway of world.gateways)
        for (const host of HOSTS) await until(async () => (await gateway.leads(host)) === before[host]?.port);
    }
    const { problems, revisions } = await claimsOf(world);
    const verdict = await verdictOf(rounds);
    const file = join(tmpdir(), `gatewright-history-${SEED}.json`);
    if (verdict.result !== "ok") await writeFile(file, JSON.stringify(rounds));
    console.info(
      JSON.stringify({ seed: SEED, faults: faults.length, revisions, calls: recorder.counts, verdict }),
    );
    expect(surprises.slice(0, 10)).toEqual([]);
    expect(problems).toEqual([]);
    expect(verdict, `HISTORY_SEED=${SEED}; ${file}; faults: ${faults.join("; ")}`).toMatchObject({
      result: "ok",
    });
    // It was a history, and not six clients that were refused.
    expect(recorder.counts["done"]).toBeGreaterThan(SECONDS);
    expect(recorder.counts["conflict"]).toBeGreaterThan(SECONDS / 10);
  },
);

/** What all gateways tell at the end of a round. */
function reads(holders: Readonly<Record<string, Holder>>): readonly Operation[] {
  const at = Number(process.hrtime.bigint());
  return HOSTS.map((host) => {
    const holder = holders[host];
    const found = holder === undefined ? { names: [] } : { names: [holder.name], port: holder.port };
    return { client: 6, call: at, return: at + 1, host, do: "read", ...found };
  });
}
