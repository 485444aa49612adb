import { mustSucceed } from "../load-generator.ts";
import { cpuSecondsOfTree } from "../process-usage.ts";
import { type Bench, staticTarget } from "../row.ts";
import type { Site } from "../site.ts";

const CONNECTIONS = 64;

/** One run of proxied requests: how many, and what one cost in processor time. */
export interface Sample {
  /** Requests/s. */
  readonly rate: number;
  readonly caddyMicros: number;
  readonly managerMicros: number;
}

/** Processor time of a request in Caddy and manager together. */
export function processorMicros({ caddyMicros, managerMicros }: Sample): number {
  return caddyMicros + managerMicros;
}

/** A run of load against a Gatewright. Throws when a request fails. */
export function sampleOurs(bench: Bench, site: Site, target: Site["target"], seed: number): Promise<Sample> {
  return sample(bench, target, () => site.cpuSeconds(), seed);
}

/** A run of load against the static route, for the same hosts. */
export function sampleStatic(bench: Bench, site: Site, seed: number): Promise<Sample> {
  return samplePeer(bench, bench.staticPeer.pid, staticTarget(bench, site), seed);
}

/** A run of load against a peer, whose processes are this one and its children. */
export function samplePeer(bench: Bench, pid: number, target: Site["target"], seed: number): Promise<Sample> {
  const cpu = async () => ({ manager: 0, caddy: await cpuSecondsOfTree(pid) });
  return sample(bench, target, cpu, seed);
}

async function sample(
  bench: Bench,
  target: Site["target"],
  cpu: () => Promise<{ readonly manager: number; readonly caddy: number }>,
  seed: number,
): Promise<Sample> {
  const before = await cpu();
  const duration = `${bench.options.runMs}ms`;
  const report = mustSucceed(
    await bench.load.run("http", { ...target, connections: CONNECTIONS, duration, seed }),
  );
  const after = await cpu();
  return {
    rate: report.requests_per_second,
    caddyMicros: ((after.caddy - before.caddy) / report.requests) * 1e6,
    managerMicros: ((after.manager - before.manager) / report.requests) * 1e6,
  };
}
