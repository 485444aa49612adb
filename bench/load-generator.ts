import { type ChildOptions, type Run, runReporting } from "./child.ts";

/** What a run of load has counted; latencies in microseconds. */
export interface LoadReport {
  /** Those that succeeded. */
  readonly requests: number;
  readonly seconds: number;
  readonly requests_per_second: number;
  /** Kind → number. */
  readonly failures: { readonly [kind: string]: number };
  readonly latency_us: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
}

type Flags = { readonly [flag: string]: string | number | boolean | undefined };

/**
 * The Go program of bench/load. It runs on one processor (GOMAXPROCS=1), so that it takes no more than its share from
 * what it measures: generator, backend and proxy live on the same machine.
 */
export class LoadGenerator {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Starts a load. Without a duration or count it goes on until `end()`. */
  start(
    command: "http" | "websocket" | "rest" | "dns" | "backend" | "stream",
    flags: Flags,
    options: ChildOptions = {},
  ): Run<LoadReport> {
    const args = Object.entries(flags)
      .filter(([, value]) => value !== undefined && value !== false)
      .map(([flag, value]) => `-${flag}=${value}`);
    return runReporting<LoadReport>(this.path, [command, ...args], {
      ...options,
      environment: { GOMAXPROCS: "1", ...options.environment },
    });
  }

  /** Runs a load of its own duration or count to its end. */
  async run(
    command: "http" | "rest" | "dns" | "stream",
    flags: Flags,
    options: ChildOptions = {},
  ): Promise<LoadReport> {
    const run = this.start(command, flags, options);
    return run.report;
  }
}

/** The number of failures of all kinds. */
export function failuresOf(report: LoadReport): number {
  return Object.values(report.failures).reduce((sum, one) => sum + one, 0);
}

/** Throws when a load that must not fail has failures: its figures would be those of error pages. */
export function mustSucceed(report: LoadReport): LoadReport {
  if (failuresOf(report) > 0 || report.requests === 0)
    throw new Error(`a load failed: ${report.requests} succeeded, ${JSON.stringify(report.failures)}`);
  return report;
}
