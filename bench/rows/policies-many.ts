import type { Policies } from "../../src/model/api.ts";
import type { Measurement } from "../report.ts";
import { type Bench, compare, type Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { alternate } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";
import { creates } from "./create.ts";
import { profileBoth, profiled } from "./profile.ts";
import { processorMicros, sampleOurs, sampleStatic } from "./sample.ts";

const SIZE = 1000;
const QUICK_SIZE = 100;
const ROW = "policies-many";
/** Creates while a profile is taken. */
const PROFILED = 6;
const PEER = "one static route";

/** Where rules share no policy set: the handlers of each ingress are its own. */
export const policiesMany: Row = {
  key: ROW,
  about:
    "1,000 ingresses (100 with --quick), each with policies of its own: proxied requests/s, create of another",
  once: true,
  async measure(bench) {
    const { caddyBinary, backendPort } = bench;
    await using site = await openSite({
      size: bench.options.quick ? QUICK_SIZE : SIZE,
      kind: "literal",
      caddyBinary,
      backendPort,
      policies: ownPolicies,
    });
    return [...(await measureProxied(bench, site)), ...(await measureCreates(bench, site))];
  },
};

/** All three kinds that every request runs through, differing in each; none of them refuses a request. */
export function ownPolicies(number: number): Policies {
  return {
    access: {
      allow: ["127.0.0.0/8", `10.${Math.floor(number / 256)}.${number % 256}.0/24`],
      deny: ["192.0.2.0/24"],
    },
    rate_limit: { requests_per_second: 1000 + number, burst: 100 },
    headers: {
      request: { set: { "X-Bench": String(number) } },
      response: { set: { "X-Bench": String(number) }, remove: ["Server"] },
    },
  };
}

async function measureProxied(bench: Bench, site: Site): Promise<readonly Measurement[]> {
  await askEachHost(bench, site);
  const written = profileBoth(bench, site, ROW);
  const pairs = await alternate(
    bench.options.rounds,
    (round) => sampleOurs(bench, site, site.target, round),
    (round) => sampleStatic(bench, site, round),
  );
  await written;
  const common = { row: ROW, size: site.size };
  return [
    {
      ...common,
      ...compare(pairs, PEER, ({ rate }) => rate),
      what: "proxied requests, policies of their own",
      unit: "/s",
    },
    {
      ...common,
      ...compare(pairs, PEER, processorMicros),
      what: "processor time of a proxied request, policies of their own",
      unit: "µs",
    },
    {
      ...common,
      what: "cold start until /ready, policies of their own",
      value: site.coldStart.wallMs,
      unit: "ms",
    },
  ];
}

/** Creates of the next policy set, in turn with creates that have one which is there. The site ends with this row. */
async function measureCreates(bench: Bench, site: Site): Promise<readonly Measurement[]> {
  let number = 0;
  const one = (policies: Policies) => createOnce(bench, site, number++, policies);
  const next = () => one(ownPolicies(site.size + number));
  await next();
  const pairs = await alternate(bench.options.rounds, next, () => one(ownPolicies(0)));
  await profiled(bench, site, `${ROW}-create`, async () => {
    for (let time = 0; time < PROFILED; time++) await next();
  });
  return [
    {
      row: ROW,
      size: site.size,
      unit: "ms",
      ...compare(pairs, "a known policy set", (millis) => millis),
      what: "create with a policy set of its own",
    },
  ];
}

/** Milliseconds until the answer. */
async function createOnce(bench: Bench, site: Site, number: number, policies: Policies): Promise<number> {
  const { path, body } = creates(bench, site, "own");
  const ingress = body
    .replaceAll("%d", String(number))
    .replace('{"match"', `{"policies":${JSON.stringify(policies)},"match"`);
  return (await site.api.succeed({ method: "POST", path, body: ingress })).totalMs;
}
