import type { CaddyConfig } from "../compiler/caddy-json.ts";
import type { Table, TableDelta } from "../compiler/route.ts";

/** What runs in Caddy, by the version strings that were given to it; "" where it never got one. */
export interface RunningVersions {
  readonly config: string;
  readonly table: string;
}

/** Addresses told to Caddy ahead of its own DNS question. An empty list means: known to have none. */
export interface AddressPush {
  readonly names?: {
    readonly [instance: string]: { readonly addresses: readonly string[]; readonly ttl_seconds: number };
  };
  /** Forget every cached address and ask again. */
  readonly flush?: boolean;
}

/**
 * Caddy's admin endpoint, as the manager uses it.
 * Throws `config_validation_failed` or `port_in_use` when Caddy refuses (nothing changed there),
 * `store_conflict` when a delta's `from` is not the running version, and `caddy_unavailable` when there was no
 * answer: then the change may have happened, and `running()` tells.
 */
export interface CaddyApi {
  running(): Promise<RunningVersions>;
  /** The TCP ports that the running configuration's HTTP servers listen on. */
  listenPorts(): Promise<readonly number[]>;
  /** `POST /load`: the whole configuration, kept as it was when Caddy refuses it. */
  load(config: CaddyConfig): Promise<void>;
  patchTable(delta: TableDelta): Promise<void>;
  replaceTable(table: Table): Promise<void>;
  pushAddresses(push: AddressPush): Promise<void>;
}
