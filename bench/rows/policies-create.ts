import type { Measurement } from "../report.ts";
import type { Bench, Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { createsInTurn } from "./create.ts";
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
  const figure = await createsInTurn(bench, site, one, {
    row: "policies-create",
    peer: "one policy set",
    count: bench.options.quick ? 20 : 100,
    edit: (body, prefix) => {
      const policies = { ...ownPolicies(0), error_pages: { "404": `${prefix}-%d` } };
      return body.replace('{"match"', `{"policies":${JSON.stringify(policies)},"match"`);
    },
  });
  const p50 = figure("create with a policy set of its own p50", ({ created }) => created.p50);
  const met = p50.value <= GOAL_MS && p50.ratio <= GOAL_RATIO;
  return [
    { ...p50, goal: { text: `≤ ${GOAL_MS} ms, ≤ ${GOAL_RATIO} × one`, met } },
    figure("create with a policy set of its own p99", ({ created }) => created.p99),
    figure("delete of one with its policy set p50", ({ deleted }) => deleted.p50),
  ];
}
