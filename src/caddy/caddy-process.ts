import type { Logger } from "../log.ts";
import type { EventSink } from "../model/event.ts";
import type { StopTiming } from "./launch.ts";

export interface CaddyProcessOptions {
  readonly binary: string;
  /** `<DATA_DIR>/caddy`; must exist. */
  readonly folder: string;
  /** `http://127.0.0.1:2019` or `unix//path`: what the config.json in the folder says. */
  readonly adminUrl: string;
  readonly logger: Logger;
  /** Hears of starts, ends and upgrades. Default: nobody does. */
  readonly events?: EventSink;
  /**
   * Writes config.json and table.json into the folder; called before each fresh start, which may take over the sockets of
   * a Caddy that runs.
   */
  readonly prepare: (takesOver: boolean) => Promise<void>;
  /** Caddy's environment beside its XDG folders. Default: a PATH. */
  readonly environment?: { readonly [name: string]: string | undefined };
  /** Values that no log and no error may repeat. */
  readonly secrets?: readonly string[];
  /** How long a Caddy that is replaced may finish what it has, in Go's form. Default `10m`. */
  readonly drain?: string;
  readonly timing?: Partial<CaddyTiming>;
}

/** All in milliseconds. */
export interface CaddyTiming {
  /** From spawn to the first answer; a host table of 100,000 rows is read meanwhile. Default 30,000. */
  readonly startMs: number;
  /** First wait before a restart; doubles each time. Default 100. */
  readonly minBackoffMs: number;
  /** Default 10,000. */
  readonly maxBackoffMs: number;
  /** A process that ran this long has earned the shortest wait again. Default 10,000. */
  readonly stableMs: number;
  /** Between two looks at an adopted process. Default 500. */
  readonly watchMs: number;
  /** Default 7,000 after SIGTERM, 2,000 after SIGKILL. */
  readonly stopMs: StopTiming;
}

export const defaultTiming: CaddyTiming = {
  startMs: 30_000,
  minBackoffMs: 100,
  maxBackoffMs: 10_000,
  stableMs: 10_000,
  watchMs: 500,
  stopMs: { gracefulMs: 7_000, killMs: 2_000 },
};

export interface CaddyStarted {
  readonly pid: number;
  /** True: just started from the files that `prepare` wrote. False: it was running already, with what it had. */
  readonly fresh: boolean;
}

export interface CaddyExited {
  readonly pid: number;
  /** Both undefined for an adopted process, whose end says nothing. */
  readonly exitCode?: number;
  readonly signal?: string;
}

export interface CaddyEvents {
  started: [CaddyStarted];
  exited: [CaddyExited];
}

/** The one Caddy of a data folder: found or started, watched, started again when it dies. */
export interface CaddyProcess {
  /**
   * Adopts the running Caddy or starts one, and supervises it from then on.
   * Throws `caddy_start_failed` (with `port_in_use` or `port_not_permitted` in its details when a listener is the
   * reason) and `address_in_use` when something else answers at the admin address; then nothing is supervised, and
   * start may be called again.
   */
  start(): Promise<CaddyStarted>;
  /** Resolves at once when Caddy runs, else with its next start. Throws `caddy_unavailable` after the time. */
  whenRunning(timeoutMs: number): Promise<void>;
  /**
   * Ends a process that runs but does not listen at its admin address, such as one that was given a configuration
   * with another address; it is started again as one that died. Others are left as they are.
   */
  replaceUnreachable(): Promise<void>;
  /**
   * Has another program be started from now on, and take the sockets over from the Caddy that runs. Where it does not start,
   * the other one serves on; that is logged.
   */
  upgrade(binary: string): Promise<void>;
  /** Ends the supervision and Caddy, those that are draining or about to take over too: by SIGTERM, then by SIGKILL. */
  stop(): Promise<void>;
  /** Ends the supervision and leaves Caddy running. */
  detach(): Promise<void>;
  on<Event extends keyof CaddyEvents>(event: Event, listener: (...args: CaddyEvents[Event]) => void): this;
}
