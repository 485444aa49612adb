import type { CaddyApi, InstanceMode, TargetPush } from "../caddy/caddy-api.ts";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { InstanceModes } from "./instance-traffic.ts";

/** Which addresses of which rules are sick. */
export interface SickRules {
  rules(): readonly string[];
  sickOf(rule: string): readonly string[];
  watch(listener: (rules: readonly string[]) => void): () => void;
}

export interface TargetFeedOptions {
  readonly api: Pick<CaddyApi, "pushTargets">;
  readonly health: SickRules;
  readonly modes: InstanceModes;
  readonly resolver: Pick<InstanceResolver, "list" | "watch">;
  readonly logger: Logger;
  /** First wait after a failed push; doubles up to 30 s. Default 100 ms. */
  readonly retryMs?: number;
}

const MAX_RETRY_MS = 30_000;
const DEFAULT_PAUSE_MS = 30_000;

/**
 * Tells Caddy which addresses are sick and which instances are drained or paused. Every entry is whole, so that a push
 * may be sent twice. One that fails is sent again, with what changed meanwhile; a new Caddy is told all.
 */
export class TargetFeed {
  readonly #options: TargetFeedOptions;
  readonly #rules = new Set<string>();
  readonly #instances = new Set<string>();
  /** Keys that an instance that is not active was told by, so that all of them end with its mode. */
  readonly #told = new Map<string, readonly string[]>();
  #all = false;
  #open = false;
  #stopped = false;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastError: unknown;
  #stops: readonly (() => void)[] = [];

  constructor(options: TargetFeedOptions) {
    this.#options = options;
  }

  start(): void {
    const { health, modes, resolver } = this.#options;
    this.#stops = [
      health.watch((rules) => this.#note(rules, [])),
      modes.watch((name) => this.#note([], [name])),
      // The addresses of an instance that is not active are told with its mode.
      resolver.watch((change) => {
        const changed = "all" in change ? modes.names() : change.names.filter((name) => modes.has(name));
        if (changed.length > 0) this.#note([], changed);
      }),
    ];
  }

  /** Has Caddy told everything anew, after a time in which it may have lost it. */
  flush(): void {
    this.#all = true;
    this.#note([], this.#options.modes.names());
  }

  /**
   * The health of all rules is known from now on. Until then nothing is said of rules, so that a Caddy that runs keeps
   * what it was told of them before.
   */
  open(): void {
    this.#open = true;
    this.flush();
  }

  /** Resolves when Caddy knows all changes so far; rejects with why it does not. */
  async delivered(): Promise<void> {
    while (this.#hasNews() || this.#sending !== undefined) {
      if (this.#sending === undefined) throw this.#lastError ?? new Error("the feed is stopped");
      await this.#sending;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#timer);
    this.#rules.clear();
    this.#instances.clear();
    this.#all = false;
  }

  #note(rules: readonly string[], instances: readonly string[]): void {
    for (const rule of rules) this.#rules.add(rule);
    for (const name of instances) this.#instances.add(name);
    this.#send();
  }

  #send(): void {
    if (this.#stopped || this.#timer !== undefined || this.#sending !== undefined || !this.#hasNews()) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
      // What came after the last look.
      this.#send();
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#hasNews()) {
      const all = this.#all && this.#open;
      const { health, modes } = this.#options;
      const rules = all
        ? health.rules().filter((rule) => health.sickOf(rule).length > 0)
        : this.#open
          ? [...this.#rules]
          : [];
      const instances = all ? modes.names() : [...this.#instances];
      if (all) this.#all = false;
      if (this.#open) this.#rules.clear();
      this.#instances.clear();
      try {
        await this.#options.api.pushTargets(this.#pushOf(rules, instances, all));
        this.#failures = 0;
      } catch (error) {
        this.#all ||= all;
        for (const rule of rules) this.#rules.add(rule);
        for (const name of instances) this.#instances.add(name);
        this.#retryLater(error);
        return;
      }
    }
  }

  #hasNews(): boolean {
    return this.#instances.size > 0 || (this.#open && (this.#all || this.#rules.size > 0));
  }

  #pushOf(rules: readonly string[], instances: readonly string[], reset: boolean): TargetPush {
    const { health } = this.#options;
    return {
      ...(reset ? { reset } : {}),
      rules: Object.fromEntries(rules.map((rule) => [rule, { sick: health.sickOf(rule) }])),
      instances: Object.fromEntries(this.#modesOf(instances)),
    };
  }

  #modesOf(names: readonly string[]): (readonly [string, InstanceMode])[] {
    if (names.length === 0) return [];
    const wanted = new Set(names);
    const found = new Map<string, Instance>();
    for (const instance of this.#options.resolver.list()) {
      const name = instance.name.toLowerCase();
      if (wanted.has(name)) found.set(name, instance);
    }
    return names.flatMap((name) => this.#modeOf(name, found.get(name)));
  }

  /** The mode of an instance under its name and its id, which a captured host may have too. */
  #modeOf(name: string, instance: Instance | undefined): (readonly [string, InstanceMode])[] {
    const { mode, pause_timeout } = this.#options.modes.get(name);
    const keys = [...new Set([name, ...(instance === undefined ? [] : [instance.id.toLowerCase()])])];
    const ended = (this.#told.get(name) ?? []).filter((key) => mode === "active" || !keys.includes(key));
    if (mode === "active") this.#told.delete(name);
    else this.#told.set(name, keys);
    const ip = instance?.network.ip;
    const told: InstanceMode = {
      mode,
      ...(mode === "pause" ? { pause_ms: durationMs(pause_timeout ?? "") ?? DEFAULT_PAUSE_MS } : {}),
      ...(instance?.service === undefined || !ip
        ? {}
        : { service: instance.service.toLowerCase(), addresses: [ip] }),
    };
    const active = mode === "active" ? [...new Set([...keys, ...ended])] : ended;
    return [
      ...active.map((key) => [key, { mode: "active" }] as const),
      ...(mode === "active" ? [] : keys.map((key) => [key, told] as const)),
    ];
  }

  #retryLater(error: unknown): void {
    this.#lastError = error;
    if (this.#stopped) return;
    const wait = Math.min((this.#options.retryMs ?? 100) * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures += 1;
    if (this.#failures === 1)
      this.#options.logger.warn("the state of a target did not reach caddy; trying again", { error });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, wait);
    this.#timer.unref();
  }
}
