import type { CaddyConfig } from "../caddy-json/config.ts";
import type { MetricFamily } from "../caddy-json/metric-family.ts";
import type { TrafficMinute, TrafficWindows } from "../caddy-json/traffic.ts";
import type { Table, TableDelta } from "../compiler/row.ts";
import type {
  ConnectionCounts,
  ExplainedConsidered,
  ExplainedFailure,
  ExplainedForward,
  ExplainedPolicy,
  ExplainedTargets,
  ExplainedTls,
  ExplainReason,
} from "../model/api.ts";

/** What runs in Caddy, by the version strings that were given to it; "" where it never got one. */
export interface RunningVersions {
  readonly config: string;
  readonly table: string;
  /**
   * Number of the running configuration in its process; 0 where it lacks our app. It grows with every load and with
   * every change by `/config/…`, which keeps the version string that it finds.
   */
  readonly generation: number;
  /**
   * How often the host table of the process was changed, by whomever and to whatever version: one more for each change
   * that was made, none for one that was refused. Undefined where Caddy is of a build that does not count.
   */
  readonly changes: number | undefined;
  /**
   * Whether the last change of the host table was told not to be stored yet. Undefined where Caddy is of a build that does
   * not tell: it takes no staged changes.
   */
  readonly staged?: boolean | undefined;
}

/** What the running configuration is, whoever loaded it; empty where there is none. */
export interface RunningConfig {
  readonly apps?: Partial<CaddyConfig["apps"]> | null;
}

/** Addresses told to Caddy ahead of its own DNS question. An empty list means: known to have none. */
export interface AddressPush {
  readonly names?: {
    readonly [instance: string]: {
      readonly addresses: readonly string[];
      /** There is no such instance, and not only none with an address: nothing can wake it. */
      readonly unknown?: true;
    };
  };
  /** Forget every cached address and ask again. */
  readonly flush?: boolean;
  /** Addresses of all instances, asked for or not, for when the DNS cannot be asked. */
  readonly known?: { readonly [instance: string]: readonly string[] };
  /** Those of `known` are all so far. */
  readonly reset?: boolean;
}

/** What Caddy is told of targets beside the host table; each entry replaces what it was told before. */
export interface TargetPush {
  /** Forget all rules and instances told so far, then take these. */
  readonly reset?: boolean;
  /** Row id → addresses (`ip:port`) that take no requests of the row. */
  readonly rules?: { readonly [row: string]: RuleHealth };
  /** Name or id of an instance → how it takes requests. */
  readonly instances?: { readonly [instance: string]: InstanceMode };
  /** Name of an instance that Caddy asked to wake → what became of it. */
  readonly wakes?: { readonly [instance: string]: { readonly error?: string } };
}

/** What checks have found of a row's addresses, as `ip:port`. */
export interface RuleHealth {
  /** Those that take no requests. */
  readonly unhealthy: readonly string[];
  /**
   * Not all addresses are known and checked yet: of others than `unhealthy` and these, which pass, what was told before
   * stays; a new Caddy takes them for unknown. Absent: all others take requests.
   */
  readonly healthy?: readonly string[];
  /** How long requests wait in a new Caddy while nothing is known to be healthy. Default: not at all. */
  readonly wait_ms?: number;
}

export interface InstanceMode {
  readonly mode: "active" | "drain" | "pause";
  readonly pause_ms?: number;
  /** The service it belongs to, and its addresses there. */
  readonly service?: string;
  readonly addresses?: readonly string[];
}

/**
 * Caddy's admin endpoint, as the manager uses it.
 * Throws `config_validation_failed` or `port_in_use` when Caddy refuses (nothing changed there),
 * `store_conflict` when a delta's `from`, or what is committed, is not the running version, and `caddy_unavailable` when there was no
 * answer: then the change may have happened, and `running()` tells.
 */
export interface CaddyApi {
  running(): Promise<RunningVersions>;
  /** The running configuration, also one that is not ours. */
  config(): Promise<RunningConfig>;
  /** `POST /load`: the whole configuration, kept as it was when Caddy refuses it. */
  load(config: CaddyConfig): Promise<void>;
  patchTable(delta: TableDelta): Promise<void>;
  replaceTable(table: Table): Promise<void>;
  /** A version that was staged is stored now; what is stored already stays as it is. */
  commitTable(version: string): Promise<void>;
  pushAddresses(push: AddressPush): Promise<void>;
  pushTargets(push: TargetPush): Promise<void>;
  /** Waits until requests need instances that are to be woken, at most about 20 s, and names these. */
  awaitWakes(signal: AbortSignal): Promise<readonly string[]>;
}

/** What Caddy knows of a name that it manages the certificate of (caddy/certificates). */
export interface CaddyCertificate {
  readonly name: string;
  /** The certificate in memory; absent while there is none. */
  readonly served?: {
    readonly issuer: string;
    readonly serial: string;
    readonly names: readonly string[];
    readonly not_before: string;
    readonly not_after: string;
  };
  /** The order under way; absent when nothing is wanting. */
  readonly attempt?: {
    readonly since: string;
    readonly failures: number;
    readonly renewal: boolean;
    /** Why the last one failed. */
    readonly error?: string;
    readonly failed_at?: string;
    /** When the try that is under way began; absent between two. */
    readonly trying_since?: string;
  };
}

/** What is counted of a rule of layer 4 since Caddy started (caddy/layer4). */
export interface Layer4Counts extends ConnectionCounts {
  /** By `ip:port`. */
  readonly addresses: { readonly [address: string]: Layer4Address };
}

/** What is known of one address of a rule's targets. */
export interface Layer4Address {
  readonly active: number;
  /** What the last connection found; absent before there was one. */
  readonly reachable?: boolean;
  readonly last_error?: string;
}

/** What counts connections of layer 4, by row id. */
export interface Layer4Source {
  /** Throws `caddy_unavailable`. */
  layer4(): Promise<{ readonly [row: string]: Layer4Counts }>;
}

/** How many ingresses have series of their own in metrics: the busiest. */
export interface NamedInMetrics {
  /** Those with counters. */
  readonly ingresses: number;
  /** Those of them with histograms too, which are most of the series. */
  readonly histograms: number;
}

/** What counts requests and connections. */
export interface MetricSource {
  /** What an ingress had of late, by its id. Throws `caddy_unavailable`. */
  traffic(ingress: string): Promise<TrafficWindows>;
  /** Those of the last 15 minutes that had requests, the oldest first. Throws `caddy_unavailable`. */
  trafficMinutes(): Promise<readonly TrafficMinute[]>;
  /** All that Caddy counts. Throws `caddy_unavailable`. */
  metrics(named: NamedInMetrics): Promise<readonly MetricFamily[]>;
}

/** What knows the state of certificates. */
export interface CertificateSource {
  /** The state of each name, in the order asked. Throws `caddy_unavailable`. */
  certificates(names: readonly string[]): Promise<readonly CaddyCertificate[]>;
}

/** A request that Caddy is to rehearse (caddy/explain). */
export interface ExplainQuestion {
  readonly network: "http" | "tcp" | "udp";
  readonly port: number;
  /** Address that the connection comes to. Absent: any. */
  readonly local?: string;
  readonly tls: boolean;
  readonly server_name: string;
  /** The Host header. */
  readonly host: string;
  /** Path and query as they are sent. */
  readonly target: string;
  readonly method: string;
  readonly headers: { readonly [name: string]: readonly string[] };
  /** Absent: an address of the documentation. */
  readonly client?: string;
  readonly connect: boolean;
}

/** What a rehearsed request met. */
export interface RehearsedRequest {
  /** Version of the host table that was asked. */
  readonly table: string;
  /** Something listens on the port for it. */
  readonly served: boolean;
  readonly tls?: ExplainedTls & {
    /** What became of the last order for the name. */
    readonly order?: CaddyCertificate["attempt"];
  };
  readonly row?: {
    readonly id: string;
    readonly ingress: string;
    readonly layer4?: boolean;
    readonly policy_set?: string;
  };
  readonly considered: readonly {
    readonly id: string;
    readonly ingress: string;
    readonly host: string;
    readonly why: ExplainedConsidered["lacks"];
  }[];
  readonly considered_more?: number;
  readonly steps: readonly RehearsedStep[];
  readonly upstream?: ExplainedTargets;
  readonly sent?: ExplainedForward;
  /** The client gets it where its TLS comes about. */
  readonly answer?: {
    readonly status: number;
    readonly location?: string;
    readonly retry_after?: string;
    readonly type?: string;
    readonly body?: string;
  };
  /** Why no instance answers, and the word for it in metrics; both absent where one does. */
  readonly error?: string;
  readonly cause?: ExplainReason;
  readonly last_failure?: ExplainedFailure;
}

/** What one handler of the policy set made of it. */
export type RehearsedStep = Omit<ExplainedPolicy, "policy"> & { readonly handler: string };

/** What rehearses requests. */
export interface ExplainSource {
  /** Throws `caddy_unavailable`, and `config_validation_failed` for a question that makes no request. */
  explain(question: ExplainQuestion): Promise<RehearsedRequest>;
}

/** Which rows are read of what runs; absent: all. */
export interface RunSelection {
  /** Id of an ingress. */
  readonly ingress?: string;
  /** A host, with `*` for captures. */
  readonly host?: string;
}

/** A row with what is known of its targets, or a policy set that one of the rows names (caddy/explain). */
export type RunsLine = { readonly row: object } | { readonly policy_set: string; readonly set: object };

/** What tells what runs. */
export interface RunsSource extends Pick<CaddyApi, "config" | "running"> {
  /** Rows by ascending id, then policy sets. Throws `caddy_unavailable`, also in the midst of it. */
  runs(selection: RunSelection): AsyncIterable<readonly RunsLine[]>;
}
