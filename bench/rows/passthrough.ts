import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { until } from "../../test/support/until.ts";
import { accepts } from "../accepts.ts";
import { startServer } from "../child.ts";
import { mustSucceed } from "../load-generator.ts";
import { startHaproxyPassthrough } from "../peers/haproxy.ts";
import { installedVersion } from "../peers/installed.ts";
import { cpuSecondsOfTree } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atLeast, type Bench, compare, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate } from "../statistics.ts";

const NAME = "bench.example.com";
const GOAL_RATIO = 0.9;

/** TLS passed on by name, against HAProxy on the same work in the same run. The backend answers no handshake, so that proxies alone are measured. */
export const passthrough: Row = {
  key: "passthrough",
  about: "TLS passthrough against HAProxy: connections/s, MB/s, latency of a kept connection",
  once: true,
  quick: false,
  measure: measurePassthrough,
};

async function measurePassthrough(bench: Bench, site: Site): Promise<readonly Measurement[]> {
  const version = installedVersion("haproxy");
  if (version === undefined) {
    process.stderr.write("bench: passthrough is left out: apt-get install haproxy\n");
    return [];
  }
  await using stack = new AsyncDisposableStack();
  const [port, backendPort] = [await freePort(), await freePort()];
  stack.use(await startServer(bench.load.path, ["stream-backend", `-listen=127.0.0.1:${backendPort}`]));
  const haproxy = stack.use(await startHaproxyPassthrough(join(bench.scratch, "haproxy"), NAME, backendPort));
  const ingress = {
    name: "bench-passthrough",
    rules: [
      {
        match: { protocol: "tls", hostname: NAME, port },
        target: { address: "127.0.0.1", port: backendPort },
      },
    ],
  };
  const created = await site.api.succeed({
    method: "POST",
    path: "/ingresses",
    body: JSON.stringify(ingress),
  });
  const { id } = JSON.parse(created.body) as { readonly id: string };
  stack.defer(async () => void (await site.api.succeed({ method: "DELETE", path: `/ingresses/${id}` })));
  for (const one of [port, haproxy.port, backendPort]) await until(() => accepts(one));
  const run = async (mode: string, at: number, cpu: () => Promise<number>, connections: number) => {
    const before = await cpu();
    const report = mustSucceed(
      await bench.load.run("stream", {
        target: `127.0.0.1:${at}`,
        name: NAME,
        mode,
        connections,
        duration: `${bench.options.runMs}ms`,
      }),
    );
    return { ...report, cpuMicros: (((await cpu()) - before) / report.requests) * 1e6 };
  };
  const caddyCpu = async () => (await site.cpuSeconds()).caddy;
  const both = (mode: string, connections: number) =>
    alternate(
      bench.options.rounds,
      () => run(mode, port, caddyCpu, connections),
      () => run(mode, haproxy.port, () => cpuSecondsOfTree(haproxy.pid), connections),
    );
  const peer = `HAProxy ${version}`;
  const common = { row: "passthrough", size: site.size };
  const rate = await both("rate", 16);
  const bulk = await both("bulk", 4);
  const echo = await both("echo", 8);
  const made = compare(rate, peer, (of) => of.requests_per_second);
  return [
    {
      ...common,
      what: "new connections",
      unit: "/s",
      ...made,
      goal: atLeast(made.ratio, GOAL_RATIO),
    },
    {
      ...common,
      what: "processor time of a new connection",
      unit: "µs",
      ...compare(rate, peer, (of) => of.cpuMicros),
    },
    { ...common, what: "throughput", unit: "MB/s", ...compare(bulk, peer, (of) => of.requests_per_second) },
    {
      ...common,
      what: "latency p50 over a kept connection",
      unit: "ms",
      ...compare(echo, peer, (of) => of.latency_us.p50 / 1000),
    },
    {
      ...common,
      what: "latency p99 over a kept connection",
      unit: "ms",
      ...compare(echo, peer, (of) => of.latency_us.p99 / 1000),
    },
  ];
}
