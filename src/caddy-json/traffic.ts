/** Latencies are in seconds, and 0 where nothing was answered. */
export interface WindowTarget {
  /** As the rule names it. */
  readonly target: string;
  /** `ip:port`. */
  readonly address: string;
  readonly requests: number;
  readonly failures: number;
  readonly p95: number;
}

/** What an ingress had in a stretch of time up to now. */
export interface TrafficWindow {
  /** What it really covers: it begins with a slot of Caddy's counts. */
  readonly seconds: number;
  readonly requests: number;
  /** Requests a second. */
  readonly rate: number;
  readonly statuses: { readonly [status: string]: number };
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly received_bytes: number;
  readonly sent_bytes: number;
  readonly targets: readonly WindowTarget[];
}

/** What `GET /gatewright/traffic` on Caddy's admin endpoint answers: by seconds. */
export interface TrafficWindows {
  readonly [seconds: string]: TrafficWindow;
}

/** What all ingresses together had in a minute. */
export interface TrafficMinute {
  /** Seconds since 1970. */
  readonly start: number;
  readonly requests: number;
  /** Answered with 500 and above. */
  readonly errors: number;
}
