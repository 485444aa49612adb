import { join } from "node:path";
import { mustSucceed } from "../load-generator.ts";
import { startCaddyPeer } from "../peers/caddy.ts";
import { staticRoute } from "../peers/static-route.ts";
import type { Measurement } from "../report.ts";
import { atLeast, type Bench, compare, type Row } from "../row.ts";
import { addressOf, hostOf } from "../seed.ts";
import type { Site } from "../site.ts";
import { alternate } from "../statistics.ts";
import { openTls, untilSigned } from "./tls-create.ts";

const ROW = "tls-rate";
const PEER = "stock Caddy, one certificate";
/** More certificates take minutes to sign. */
const LARGEST = 10_000;

/** What is measured: how the load generator asks, and the goal. */
const kinds = [
  { secure: "h1", what: "HTTPS requests, kept connections of HTTP/1.1", goal: 1 },
  { secure: "h2", what: "HTTPS requests, kept connections of HTTP/2", goal: 1 },
  { secure: "new", what: "HTTPS requests, a handshake for each", goal: 0.9 },
] as const;

/** Hosts with a certificate each, beside a Caddy that has a single one. */
export const tlsRate: Row = {
  key: ROW,
  about: "HTTPS requests/s and handshakes/s over random hosts with certificates of their own",
  quick: false,
  async measure(bench, { size }) {
    if (size > LARGEST) return [];
    await using site = await openTls(bench, size);
    await untilSigned(site);
    await using peer = await startCaddyPeer(
      bench.caddyBinary,
      join(bench.scratch, `${ROW}-${size}`),
      [staticRoute(addressOf(0), bench.backendPort)],
      { names: [hostOf(0)] },
    );
    const one = { target: `127.0.0.1:${peer.httpPort}`, hosts: hostOf(0), "host-count": 1 };
    const measurements: Measurement[] = [];
    for (const { secure, what, goal } of kinds) {
      const rates = await alternate(
        bench.options.rounds,
        (seed) => rate(bench, site.target, secure, seed),
        (seed) => rate(bench, one, secure, seed),
      );
      const figure = compare(rates, PEER, (value) => value);
      measurements.push({ row: ROW, size, what, unit: "/s", ...figure, goal: atLeast(figure.ratio, goal) });
    }
    return measurements;
  },
};

async function rate(bench: Bench, target: Site["target"], secure: string, seed: number): Promise<number> {
  const flags = { ...target, secure, seed, connections: 64, duration: `${bench.options.runMs}ms` };
  // What a host costs at its first request is another row's.
  const report = mustSucceed(await bench.load.run("http", { ...flags, warmup: "500ms" }));
  return report.requests_per_second;
}
