import { mustSucceed } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import { type Bench, compare, type Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { alternate } from "../statistics.ts";
import { creates, deletes } from "./create.ts";
import { ownPolicies } from "./policies-many.ts";

const SIZES = [1000, 10_000];
const QUICK_SIZES = [100];
const GOAL_MS = 15;
const GOAL_RATIO = 3;

/** Creates whose policies nothing else has, where so many others have theirs, in turn with where one has. */
export const policiesCreate: Row = {
  key: "policies-create",
  about: "creates with a policy set of their own, at 1,000 and 10,000 others (100 with --quick), against one",
  once: true,
  async measure(bench) {
    await using one = await openWithPolicies(bench, 1);
    const measurements: Measurement[] = [];
    for (const size of bench.options.quick ? QUICK_SIZES : SIZES) {
      await using site = await openWithPolicies(bench, size);
      measurements.push(...(await measureCreates(bench, site, one)));
    }
    return measurements;
  },
};

function openWithPolicies({ caddyBinary, backendPort }: Bench, size: number): Promise<Site> {
  return openSite({ size, kind: "literal", caddyBinary, backendPort, policies: ownPolicies });
}

async function measureCreates(bench: Bench, site: Site, one: Site): Promise<readonly Measurement[]> {
  const count = bench.options.quick ? 20 : 100;
  const block = async (on: Site, round: number) => {
    const prefix = `set-${round}`;
    const policies = { ...ownPolicies(0), error_pages: { "404": `${prefix}-%d` } };
    const { body, ...rest } = creates(bench, on, prefix);
    const own = body.replace('{"match"', `{"policies":${JSON.stringify(policies)},"match"`);
    const created = mustSucceed(await bench.load.run("rest", { ...rest, body: own, count }));
    const deleted = mustSucceed(await bench.load.run("rest", { ...deletes(on, prefix), count }));
    return { created: created.latency_us, deleted: deleted.latency_us };
  };
  // The first creates after a start run code that is not compiled yet.
  for (const on of [site, one]) await block(on, bench.options.rounds);
  const pairs = await alternate(
    bench.options.rounds,
    (round) => block(site, round),
    (round) => block(one, round),
  );
  type Block = Awaited<ReturnType<typeof block>>;
  const figure = (what: string, pick: (of: Block) => number) => ({
    row: "policies-create",
    size: site.size,
    ...compare(pairs, "one policy set", (of) => pick(of) / 1000),
    what,
    unit: "ms" as const,
  });
  const p50 = figure("create with a policy set of its own p50", ({ created }) => created.p50);
  const met = p50.value <= GOAL_MS && p50.ratio <= GOAL_RATIO;
  return [
    { ...p50, goal: { text: `≤ ${GOAL_MS} ms, ≤ ${GOAL_RATIO} × one`, met } },
    figure("create with a policy set of its own p99", ({ created }) => created.p99),
    figure("delete of one with its policy set p50", ({ deleted }) => deleted.p50),
  ];
}
