import type { Policies } from "../../src/model/api.ts";
import { mustSucceed } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import { type Bench, compare, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { inTurn } from "../statistics.ts";
import { creates } from "./create.ts";
import { profiled } from "./profile.ts";
import { processorMicros, type Sample, sampleOurs } from "./sample.ts";

const ROW = "policies-cost";
const PEER = "no policies";
const PREFIX = "cost";

/** None of them refuses a request of the load. */
const rateLimit: Policies = { rate_limit: { requests_per_second: 100_000, burst: 1000 } };
const access: Policies = {
  access: { allow: ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"], deny: ["192.0.2.0/24"] },
};
const headers: Policies = {
  headers: {
    request: { set: { "X-Bench": "1" }, remove: ["X-Debug"] },
    response: { set: { "X-Bench": "1" }, remove: ["Server"] },
  },
};

/** The first is what the others are compared with. */
const variants: readonly { readonly name: string; readonly policies?: Policies }[] = [
  { name: PEER },
  { name: "rate_limit", policies: rateLimit },
  { name: "access", policies: access },
  { name: "headers", policies: headers },
  { name: "all three", policies: { ...rateLimit, ...access, ...headers } },
  // The peer's requests are not logged either; with `errors` none of these is, since none fails.
  { name: "access_log errors", policies: { access_log: "errors" } },
  { name: "access_log all", policies: { access_log: "all" } },
];

/** What a policy costs a request: one route with it and one without, of the same Gatewright, in turn. */
export const policiesCost: Row = {
  key: ROW,
  about: "cost of rate_limit, access, headers, all three, and the access log on a route, against none",
  once: true,
  async measure(bench, site) {
    const { path, body } = creates(bench, site, PREFIX);
    for (const [number, { policies }] of variants.entries())
      await site.api.succeed({
        method: "POST",
        path,
        body: body
          .replaceAll("%d", String(number))
          .replace('{"match"', `{"policies":${JSON.stringify(policies ?? {})},"match"`),
      });
    try {
      return await measureVariants(bench, site);
    } finally {
      for (const number of variants.keys())
        await site.api.succeed({ method: "DELETE", path: `${path}/${PREFIX}-${number}` });
    }
  },
};

async function measureVariants(bench: Bench, site: Site): Promise<readonly Measurement[]> {
  const targets = variants.map((_, number) => ({
    ...site.target,
    hosts: `${PREFIX}-${number}.created.test`,
    "host-count": 1,
  }));
  for (const target of targets)
    mustSucceed(await bench.load.run("http", { ...target, connections: 64, count: 2000 }));
  const series = await inTurn(
    bench.options.rounds,
    targets.map((target) => (round: number) => sampleOurs(bench, site, target, round)),
  );
  for (const [number, target] of targets.entries())
    await profiled(bench, site, `${ROW}-${number}`, () => sampleOurs(bench, site, target, 0));
  const [peers = [], ...others] = series;
  return others.flatMap((ours, at) => costOf(variants[at + 1]?.name ?? "", ours, peers));
}

function costOf(name: string, ours: readonly Sample[], peers: readonly Sample[]): readonly Measurement[] {
  const pairs = { ours, peers };
  const common = { row: ROW, size: 1 };
  return [
    {
      ...common,
      ...compare(pairs, PEER, ({ rate }) => rate),
      what: `proxied requests with ${name}`,
      unit: "/s",
    },
    {
      ...common,
      ...compare(pairs, PEER, processorMicros),
      what: `processor time of a request with ${name}`,
      unit: "µs",
    },
  ];
}
