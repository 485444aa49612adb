/** The Caddy process, as far as the manager has to do with it. */
export interface CaddyHost {
  /** Adopts a running Caddy, or starts one after `prepare` has written its files. */
  start(): Promise<unknown>;
  /** Rejects with `caddy_unavailable` when Caddy does not run after the time given. */
  whenRunning(timeoutMs: number): Promise<void>;
  /** Starts Caddy again where its process runs but nobody listens at its admin address any more. */
  replaceUnreachable(): Promise<void>;
}

/** Tells Caddy of changes beside its state, and of all of them again when it may have lost them. */
export interface Feed {
  start(): void;
  flush(): void;
  stop(): void;
}

/** What a host calls. */
export interface HostHooks {
  /** Before each start of a process, which may take over the sockets of one that runs. */
  readonly prepare: (takesOver: boolean) => Promise<void>;
  /** When a process answers, started or found. */
  readonly started: () => void;
  /** When it has ended by itself. */
  readonly ended: () => void;
  /** Does something while no change is under way, so that none meets two processes. */
  readonly alone: (work: () => Promise<void>) => Promise<void>;
}

/** How Caddy is. */
export interface CaddyHealth {
  /** Whether a process runs and answers. */
  readonly isUp: boolean;
  /** Whether it runs something else than it was given. */
  readonly hasDrifted: boolean;
  /** How often it was found so since the start. */
  readonly drifts: number;
  /** How often a process was started or found since the start. */
  readonly starts: number;
  /** How often one ended by itself. */
  readonly ends: number;
  /** Ports that rules need and that cannot be bound. */
  readonly unservedPorts: number;
}
