import type { CaddyApi, InstanceMode, RuleHealth } from "../caddy/caddy-api.ts";
import type { Instance } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { Feed, type FeedOptions } from "./feed.ts";
import { isWell } from "./health-checks.ts";
import type { InstanceModes } from "./instance-modes.ts";

/** How the addresses of rules are. */
export interface RuleHealths {
  rules(): readonly string[];
  healthOf(rule: string): RuleHealth;
  watch(listener: (rules: readonly string[]) => void): () => void;
}

export interface TargetFeedOptions extends FeedOptions {
  readonly api: Pick<CaddyApi, "pushTargets">;
  readonly health: RuleHealths;
  readonly modes: InstanceModes;
  readonly resolver: Pick<InstanceResolver, "list" | "watch">;
}

interface Batch {
  readonly rules: readonly string[];
  readonly instances: readonly string[];
  /** Everything: Caddy forgets the rest. */
  readonly all: boolean;
}

const DEFAULT_PAUSE_MS = 30_000;

/** The mode of an instance as a push has it. */
interface ToldMode {
  readonly name: string;
  readonly active: boolean;
  readonly keys: readonly string[];
  readonly modes: readonly (readonly [key: string, mode: InstanceMode])[];
}

/** Tells Caddy which addresses are unhealthy and which instances are drained or paused; a new Caddy is told all. */
export class TargetFeed extends Feed<Batch> {
  readonly #options: TargetFeedOptions;
  readonly #rules = new Set<string>();
  readonly #instances = new Set<string>();
  /** Keys that an instance that is not active may have been told by, so that all of them end with its mode. */
  readonly #told = new Map<string, ReadonlySet<string>>();
  #all = false;
  #open = false;

  constructor(options: TargetFeedOptions) {
    super("the state of a target", options);
    this.#options = options;
  }

  flush(): void {
    this.#all = true;
    this.#note([], this.#options.modes.names());
  }

  /**
   * All rules are known from now on, though not all of their addresses were checked yet. Until then nothing is said of
   * rules, so that a Caddy that runs keeps what it was told of them before.
   */
  open(): void {
    this.#open = true;
    this.flush();
  }

  protected follow(): readonly (() => void)[] {
    const { health, modes, resolver } = this.#options;
    return [
      health.watch((rules) => this.#note(rules, [])),
      modes.watch((name) => this.#note([], [name])),
      // The addresses of an instance that is not active are told with its mode.
      resolver.watch((change) => {
        const changed = "all" in change ? modes.names() : change.names.filter((name) => modes.has(name));
        if (changed.length > 0) this.#note([], changed);
      }),
    ];
  }

  protected hasNews(): boolean {
    return this.#instances.size > 0 || (this.#open && (this.#all || this.#rules.size > 0));
  }

  protected take(): Batch {
    const { health, modes } = this.#options;
    const all = this.#all && this.#open;
    const rules = all
      ? health.rules().filter((rule) => !isWell(health.healthOf(rule)))
      : this.#open
        ? [...this.#rules]
        : [];
    const instances = all ? modes.names() : [...this.#instances];
    this.#all = false;
    this.#rules.clear();
    this.#instances.clear();
    return { rules, instances, all };
  }

  protected putBack({ rules, instances, all }: Batch): void {
    this.#all ||= all;
    for (const rule of rules) this.#rules.add(rule);
    for (const name of instances) this.#instances.add(name);
  }

  protected async push({ rules, instances, all }: Batch): Promise<void> {
    const { api, health } = this.#options;
    const told = this.#modesOf(instances);
    // A push that seems to fail may have arrived: only one that succeeded ends keys.
    for (const { name, keys } of told)
      this.#told.set(name, new Set([...(this.#told.get(name) ?? []), ...keys]));
    await api.pushTargets({
      ...(all ? { reset: true } : {}),
      rules: Object.fromEntries(rules.map((rule) => [rule, health.healthOf(rule)])),
      instances: Object.fromEntries(told.flatMap(({ modes }) => modes)),
    });
    for (const { name, keys, active } of told) {
      if (active) this.#told.delete(name);
      else this.#told.set(name, new Set(keys));
    }
  }

  #note(rules: readonly string[], instances: readonly string[]): void {
    for (const rule of rules) this.#rules.add(rule);
    for (const name of instances) this.#instances.add(name);
    this.notify();
  }

  #modesOf(names: readonly string[]): readonly ToldMode[] {
    if (names.length === 0) return [];
    const wanted = new Set(names);
    const found = new Map<string, Instance>();
    for (const instance of this.#options.resolver.list()) {
      const name = instance.name.toLowerCase();
      if (wanted.has(name)) found.set(name, instance);
    }
    return names.map((name) => this.#modeOf(name, found.get(name)));
  }

  /** The mode of an instance under its name and its id, which a captured host may have too. */
  #modeOf(name: string, instance: Instance | undefined): ToldMode {
    const { mode, pause_timeout } = this.#options.modes.get(name);
    const active = mode === "active";
    const keys = [...new Set([name, ...(instance === undefined ? [] : [instance.id.toLowerCase()])])];
    const ended = [...(this.#told.get(name) ?? [])].filter((key) => !keys.includes(key));
    const ip = instance?.network.ip;
    const told: InstanceMode = {
      mode,
      ...(mode === "pause" ? { pause_ms: durationMs(pause_timeout ?? "") ?? DEFAULT_PAUSE_MS } : {}),
      ...(active || instance?.service === undefined || !ip
        ? {}
        : { service: instance.service.toLowerCase(), addresses: [ip] }),
    };
    const modes = [
      ...ended.map((key) => [key, { mode: "active" }] as const),
      ...keys.map((key) => [key, told] as const),
    ];
    return { name, active, keys, modes };
  }
}
