import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import type {
  AddressPush,
  CaddyApi,
  RunningConfig,
  RunningVersions,
  TargetPush,
} from "../../src/caddy/caddy-api.ts";
import type { CaddyConfig, PolicySet } from "../../src/caddy-json/config.ts";
import { listenersIn } from "../../src/compiler/listeners.ts";
import type { PolicySets, Row, Table, TableDelta } from "../../src/compiler/row.ts";
import { GatewrightError } from "../../src/errors.ts";

/** One question or change, by the method of CaddyApi that it came through. */
export interface MemoryCall {
  readonly method: keyof CaddyApi;
  /** What was sent; undefined for questions. */
  readonly body?: unknown;
}

/**
 * Caddy's admin endpoint in memory: what a process runs, who changed it, and what it refuses, as
 * test/caddy/caddy-api.contract.ts holds it to the real one. It serves no requests.
 */
export class MemoryCaddy implements CaddyApi {
  /** Every call that arrived, in order. */
  readonly calls: MemoryCall[] = [];
  readonly addresses: AddressPush[] = [];
  readonly targets: TargetPush[] = [];
  /** Awaited before a call has its effect: a throw loses the request, a wait is a Caddy that takes its time. */
  onRequest: (call: MemoryCall) => void | Promise<void> = () => undefined;
  /** Awaited when the call has had its effect: a throw loses the answer. */
  onAnswer: (call: MemoryCall) => void | Promise<void> = () => undefined;
  /** Ports that other programs have. */
  readonly takenPorts = new Set<number>();
  /** What each process was started with. */
  readonly launches: CaddyConfig[] = [];
  #process: { config: CaddyConfig | undefined; generation: number; changes: number } | undefined = {
    config: undefined,
    generation: 0,
    changes: 0,
  };
  #tableVersion = "";
  #staged = false;
  #rows = new Map<string, Row>();
  #policySets = new Map<string, PolicySet>();
  #wakes = Promise.withResolvers<readonly string[]>();

  /** What runs; undefined before the first configuration and while no process does. */
  get loaded(): CaddyConfig | undefined {
    return this.#process?.config;
  }

  /** The host table's rows by ascending id. */
  get rows(): readonly Row[] {
    return [...this.#rows.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** Those that the rows name. */
  get policySets(): PolicySets {
    return Object.fromEntries(this.#policySets);
  }

  /** Names of the calls that changed or asked for something, but for `running`. */
  get changes(): readonly string[] {
    return this.calls.map(({ method }) => method).filter((method) => /load|Table/.test(method));
  }

  /** Ends the process: nothing answers until `launch`. */
  kill(): void {
    this.#process = undefined;
    this.#rows = new Map();
    this.#policySets = new Map();
    this.#tableVersion = "";
  }

  /** Starts another process, on `config.json` and `table.json` of a folder. */
  async launch(folder: string): Promise<void> {
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as CaddyConfig;
    const table = JSON.parse(await readFile(join(folder, "table.json"), "utf8")) as Table;
    this.#refuseConfig(config);
    this.launches.push(config);
    this.#process = { config, generation: 1, changes: 0 };
    this.#replace(table);
  }

  /** What somebody else does by `/config/…`: the configuration changes and keeps its version string. */
  tamper(change: (config: CaddyConfig) => CaddyConfig): void {
    const process = this.#alive();
    if (process.config === undefined) throw new Error("nothing is loaded");
    process.config = change(process.config);
    process.generation += 1;
  }

  /** What somebody else does at the table's endpoint. */
  tamperTable(table: Table): void {
    this.#replace(table);
  }

  /** Requests need these instances. */
  wake(names: readonly string[]): void {
    this.#wakes.resolve(names);
    this.#wakes = Promise.withResolvers();
  }

  running(): Promise<RunningVersions> {
    return this.#answer({ method: "running" }, () => ({
      config: this.loaded?.apps.gatewright?.version ?? "",
      table: this.#tableVersion,
      generation: this.loaded?.apps.gatewright === undefined ? 0 : this.#alive().generation,
      changes: this.#alive().changes,
      staged: this.#staged,
    }));
  }

  config(): Promise<RunningConfig> {
    return this.#answer({ method: "config" }, () => structuredClone(this.loaded ?? {}));
  }

  load(config: CaddyConfig): Promise<void> {
    return this.#answer({ method: "load", body: config }, () => {
      this.#refuseConfig(config);
      const process = this.#alive();
      // Caddy does nothing for a configuration that it runs already.
      if (JSON.stringify(process.config) === JSON.stringify(config)) return;
      process.config = structuredClone(config);
      process.generation += 1;
    });
  }

  patchTable(delta: TableDelta): Promise<void> {
    return this.#answer({ method: "patchTable", body: delta }, () => {
      const { from, to: version, remove, upsert, ...rest } = delta;
      if (from !== this.#tableVersion)
        throw new GatewrightError("store_conflict", `${this.#tableVersion} is running`);
      this.#change({ version, rows: upsert, ...rest }, remove);
    });
  }

  commitTable(version: string): Promise<void> {
    return this.#answer({ method: "commitTable", body: version }, () => {
      if (version !== this.#tableVersion)
        throw new GatewrightError("store_conflict", `${this.#tableVersion} is running`);
      this.#staged = false;
    });
  }

  replaceTable(table: Table): Promise<void> {
    return this.#answer({ method: "replaceTable", body: table }, () => this.#replace(table));
  }

  pushAddresses(push: AddressPush): Promise<void> {
    return this.#answer({ method: "pushAddresses", body: push }, () => {
      const names = Object.values(push.names ?? {});
      const told = [...names.map(({ addresses }) => addresses), ...Object.values(push.known ?? {})].flat();
      if (told.some((address) => isIP(address) === 0)) throw refused("an address is not an IP address");
      if (names.some(({ unknown, addresses }) => unknown === true && addresses.length > 0))
        throw refused("an unknown instance has addresses");
      this.addresses.push(push);
    });
  }

  pushTargets(push: TargetPush): Promise<void> {
    return this.#answer({ method: "pushTargets", body: push }, () => void this.targets.push(push));
  }

  async awaitWakes(signal: AbortSignal): Promise<readonly string[]> {
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(unavailable());
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#answer({ method: "awaitWakes" }, () => undefined);
      return await Promise.race([this.#wakes.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
      aborted.promise.catch(() => undefined);
    }
  }

  async #answer<Result>(call: MemoryCall, act: () => Result): Promise<Result> {
    // No answer comes before its question is sent.
    await Promise.resolve();
    this.#alive();
    await this.onRequest(call);
    this.#alive();
    this.calls.push(call);
    const result = act();
    await this.onAnswer(call);
    return result;
  }

  #replace(table: Table): void {
    this.#change(table, [...this.#rows.keys()]);
  }

  /** Takes rows out and others with their policy sets in, or refuses. */
  #change({ version, rows, policy_sets = {}, staged }: Table, remove: readonly string[]): void {
    const sets = new Map([...this.#policySets, ...Object.entries(policy_sets)]);
    for (const [key, { handle }] of Object.entries(policy_sets))
      if (handle.length === 0) throw refused(`"policy_sets[${key}]": handle is empty`);
    const bad = rows.find(({ policy }) => policy !== undefined && !sets.has(policy));
    if (bad !== undefined) throw refused(`"${bad.id}": unknown policy`);
    for (const id of remove) this.#rows.delete(id);
    for (const row of rows) this.#rows.set(row.id, row);
    const named = new Set([...this.#rows.values()].map(({ policy }) => policy));
    this.#policySets = new Map([...sets].filter(([key]) => named.has(key)));
    this.#tableVersion = version;
    this.#staged = staged === true;
    this.#alive().changes += 1;
  }

  #alive() {
    if (this.#process === undefined) throw unavailable();
    return this.#process;
  }

  #refuseConfig(config: CaddyConfig): void {
    const { address } = config.apps.gatewright.resolver;
    if (!/^.+:\d+$/.test(address) || isIP(address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")) === 0)
      throw refused(`resolver.address: ${address}`);
    const own = new Set(listenersIn(this.loaded?.apps).map(({ port }) => port));
    for (const { port } of listenersIn(config.apps)) {
      if (this.takenPorts.has(port) && !own.has(port))
        throw new GatewrightError("port_in_use", `port already in use: port ${port}`);
    }
  }
}

function unavailable(): GatewrightError {
  return new GatewrightError("caddy_unavailable", "Caddy gave no answer");
}

function refused(reason: string): GatewrightError {
  return new GatewrightError("config_validation_failed", `config validation failed: ${reason}`);
}
