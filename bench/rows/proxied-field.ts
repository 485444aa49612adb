import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import { accepts } from "../accepts.ts";
import { startHaproxyHosts } from "../peers/haproxy.ts";
import { installedVersion } from "../peers/installed.ts";
import { startNginxHosts } from "../peers/nginx.ts";
import type { Measurement } from "../report.ts";
import { type Bench, compare, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { inTurn } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";
import { processorMicros, sampleOurs, samplePeer } from "./sample.ts";

const ROW = "proxied-field";
const peers = [
  { program: "nginx", start: startNginxHosts },
  { program: "haproxy", start: startHaproxyHosts },
] as const;

/** What proxies written in C make of the same hosts and the same load. */
export const proxiedField: Row = {
  key: ROW,
  about: "proxied requests/s beside nginx and HAProxy with the same hosts, and their processor time",
  quick: false,
  async measure(bench, site) {
    const measurements: Measurement[] = [];
    await askEachHost(bench, site);
    for (const { program, start } of peers) {
      const version = installedVersion(program);
      if (version === undefined)
        process.stderr.write(`bench: ${program} is left out of ${ROW}: apt-get install ${program}\n`);
      else measurements.push(...(await beside(bench, site, `${program} ${version}`, start)));
    }
    return measurements;
  },
};

async function beside(
  bench: Bench,
  site: Site,
  name: string,
  start: (typeof peers)[number]["start"],
): Promise<readonly Measurement[]> {
  const folder = join(bench.scratch, `${name.replace(" ", "-")}-${site.size}`);
  await using peer = await start(folder, site.size, bench.backendPort);
  await Promise.race([peer.failure, until(() => accepts(peer.port))]);
  const target = { ...site.target, target: `127.0.0.1:${peer.port}` };
  const [ours = [], peers = []] = await inTurn(bench.options.rounds, [
    (round) => sampleOurs(bench, site, site.target, round),
    (round) => samplePeer(bench, peer.pid, target, round),
  ]);
  const common = { row: ROW, size: site.size };
  return [
    {
      ...common,
      ...compare({ ours, peers }, name, (of) => of.rate),
      what: `proxied requests, beside ${name}`,
      unit: "/s",
    },
    {
      ...common,
      ...compare({ ours, peers }, name, processorMicros),
      what: `processor time of a proxied request, beside ${name}`,
      unit: "µs",
    },
  ];
}
