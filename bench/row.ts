import type { Child } from "./child.ts";
import type { LoadGenerator } from "./load-generator.ts";
import type { Options } from "./options.ts";
import type { CaddyPeer } from "./peers/caddy.ts";
import type { Measurement } from "./report.ts";
import type { HostKind } from "./seed.ts";
import type { Site } from "./site.ts";
import { median, medianOfPairs, type Pairs } from "./statistics.ts";

/** What every row has at hand, for a whole run. */
export interface Bench {
  readonly options: Options;
  /** Tells who runs it what it does. */
  readonly say: (line: string) => void;
  readonly load: LoadGenerator;
  readonly caddyBinary: string;
  /** A folder for files of rows; removed at the end. */
  readonly scratch: string;
  /** Answers on every loopback address. */
  readonly backendPort: number;
  readonly backend: Child;
  /** Caddy with one static route to the backend. */
  readonly staticPeer: CaddyPeer;
  /** A Gatewright with one ingress, to compare with in turn. */
  readonly one: Site;
  /** Path of CoreDNS; builds it on the first call. */
  coreDns(): Promise<string>;
}

/** One row of the table: what it measures on a site. */
export interface Row {
  /** For `--only`. */
  readonly key: string;
  /** What it measures, for `--list`. */
  readonly about: string;
  /** The site it needs. Default: literal hostnames. */
  readonly kind?: HostKind;
  /** True: the number of ingresses does not matter. Measured once, at the end, on the site with one ingress. */
  readonly once?: true;
  /** False: left out of `--quick`. */
  readonly quick?: false;
  /** True: measured where `--only` names it, since it takes minutes. */
  readonly named?: true;
  /** Leaves the site as it found it. */
  measure(bench: Bench, site: Site): Promise<readonly Measurement[]>;
}

/** The same hosts asked of the static route. */
export function staticTarget(bench: Bench, site: Site): Site["target"] {
  return { ...site.target, target: `127.0.0.1:${bench.staticPeer.httpPort}` };
}

/** A figure of ours beside the peer's, from runs in turn. */
export function compare<T>(
  pairs: Pairs<T>,
  peer: string,
  pick: (of: T) => number,
): Required<Pick<Measurement, "value" | "peer" | "ratio">> {
  return {
    value: median(pairs.ours.map(pick)),
    peer: { name: peer, value: median(pairs.peers.map(pick)) },
    ratio: medianOfPairs(pairs, (ours, peers) => pick(ours) / pick(peers)),
  };
}

/** A figure that must not exceed a bound. */
export function atMost(value: number, bound: number, unit: string): { text: string; met: boolean } {
  return { text: `≤ ${bound} ${unit}`.trimEnd(), met: value <= bound };
}

/** A figure that must reach a bound. */
export function atLeast(value: number, bound: number, unit = ""): { text: string; met: boolean } {
  return { text: `≥ ${bound} ${unit}`.trimEnd(), met: value >= bound };
}
