import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import { parseAdminUrl } from "./admin-address.ts";
import { type AdminClient, createAdminClient } from "./admin-client.ts";
import { type ChildEnd, endProcess, hasOtherEnvironment, launchCaddy, type StopTiming } from "./launch.ts";
import { moveAdmin } from "./move-admin.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import {
  type CaddyPaths,
  findAll,
  findRunningCaddy,
  handoverPath,
  isDraining,
  isOurCommandLine,
  pidPath,
  type RunningCaddy,
  writePid,
} from "./running-caddy.ts";
import { createScrub, type Scrub } from "./scrub.ts";

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

const defaultTiming: CaddyTiming = {
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

interface CaddyEvents {
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

/** Makes the supervisor; nothing happens before `start`. */
export function createCaddyProcess(options: CaddyProcessOptions): CaddyProcess {
  return new CaddySupervisor(options);
}

class CaddySupervisor extends EventEmitter<CaddyEvents> implements CaddyProcess {
  readonly #options: CaddyProcessOptions;
  readonly #timing: CaddyTiming;
  #paths: CaddyPaths;
  readonly #admin: AdminClient;
  readonly #scrub: Scrub;
  /** Aborted when supervision ends. */
  readonly #ending = new AbortController();
  #running: ProcessIdentity | undefined;
  #acquiring: Promise<CaddyStarted> | undefined;
  #backoffMs: number;

  constructor(options: CaddyProcessOptions) {
    super();
    // Each change that waits for Caddy is a listener for a while.
    this.setMaxListeners(0);
    const secrets = options.secrets ?? [];
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
    this.#backoffMs = this.#timing.minBackoffMs;
    this.#paths = { binary: options.binary, folder: options.folder };
    this.#scrub = createScrub(secrets, [options.folder]);
    this.#admin = createAdminClient({ adminUrl: options.adminUrl, secrets });
  }

  start(): Promise<CaddyStarted> {
    return this.#acquire();
  }

  async whenRunning(timeoutMs: number): Promise<void> {
    if (this.#running !== undefined) return;
    try {
      await once(this, "started", { signal: AbortSignal.timeout(timeoutMs) });
    } catch (cause) {
      const message = "Caddy is not running; nothing was changed. Try again.";
      throw new GatewrightError("caddy_unavailable", message, { cause });
    }
  }

  async replaceUnreachable(): Promise<void> {
    const running = this.#running;
    if (running === undefined || (await this.#admin.probe()).kind !== "nothing") return;
    if (running !== this.#running || !isAlive(running)) return;
    const reason = "nobody listens at its admin address";
    this.#options.logger.warn("replacing the running Caddy", { pid: running.pid, reason });
    await endProcess(running, this.#timing.stopMs);
  }

  async upgrade(binary: string): Promise<void> {
    await this.#acquiring?.catch(() => undefined);
    this.#paths = { ...this.#paths, binary };
    const running = this.#running;
    // One that is started later is this one.
    if (running === undefined || this.#ending.signal.aborted) return;
    const found = findRunningCaddy(this.#paths);
    if (found?.pid !== running.pid || this.#whyOutdated(found) === undefined) return;
    // Where both have died meanwhile, the end of the older one has it started again.
    await this.#acquire().catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.#endSupervision();
    await Promise.all(findAll(this.#paths).map((one) => endProcess(one, this.#timing.stopMs)));
    this.#running = undefined;
    await rm(pidPath(this.#paths), { force: true });
  }

  async detach(): Promise<void> {
    await this.#endSupervision();
    this.#running = undefined;
  }

  async #endSupervision(): Promise<void> {
    this.#ending.abort();
    await this.#acquiring?.catch(() => undefined);
    await this.#admin.close();
  }

  /** Adopts or starts, once at a time. */
  #acquire(): Promise<CaddyStarted> {
    this.#acquiring ??= this.#adoptOrLaunch().finally(() => {
      this.#acquiring = undefined;
    });
    return this.#acquiring;
  }

  async #adoptOrLaunch(): Promise<CaddyStarted> {
    const found = findRunningCaddy(this.#paths);
    if (found !== undefined) {
      const outdated = this.#whyOutdated(found);
      if (outdated === undefined) await moveAdmin(this.#paths, parseAdminUrl(this.#options.adminUrl));
      if (outdated === undefined && (await this.#answers(found))) return this.#adopt(found);
      const upgraded = outdated !== undefined && (await this.#upgrade(found, outdated));
      if (upgraded) return upgraded;
      const reason = outdated ?? "it does not answer at the admin address";
      this.#options.logger.warn("replacing the running Caddy", { pid: found.pid, reason });
      await endProcess(found, this.#timing.stopMs);
    }
    if ((await this.#admin.probe()).kind !== "nothing") {
      throw new GatewrightError(
        "address_in_use",
        `Something else answers at Caddy's admin address ${this.#options.adminUrl}, maybe another Caddy. ` +
          "Stop it, or set CADDY_ADMIN_PORT or CADDY_ADMIN_ADDRESS to a free one, or neither for a socket of our own.",
      );
    }
    return this.#launch();
  }

  /** Why only another process would do; undefined where this one does. */
  #whyOutdated(found: RunningCaddy): string | undefined {
    if (found.outdated) return "it runs another build";
    const { environment = {} } = this.#options;
    return hasOtherEnvironment(found.pid, environment) ? "its environment has changed" : undefined;
  }

  /**
   * Has a new process take the sockets of one that serves. A new one that fails leaves the old one serving. False: the
   * old one cannot hand over.
   */
  async #upgrade(found: RunningCaddy, outdated: string): Promise<CaddyStarted | false> {
    if (!existsSync(handoverPath(this.#paths)) || !(await this.#answers(found))) return false;
    this.#options.logger.info("a new Caddy takes over from the running one", {
      pid: found.pid,
      reason: outdated,
    });
    try {
      return await this.#launch(found);
    } catch (error) {
      if (this.#ending.signal.aborted) throw error;
      // Another new one may have taken over meanwhile: one that a manager before this one has started.
      if (!isAlive(found) || isDraining(this.#paths, found.pid)) return this.#adoptOrLaunch();
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.error("the new Caddy did not take over; the old one serves on", {
        pid: found.pid,
        reason,
      });
      return this.#adopt(found);
    }
  }

  /** Whether the admin endpoint is this process's; one that just started gets some seconds. */
  async #answers(found: RunningCaddy): Promise<boolean> {
    const deadline = performance.now() + Math.min(5_000, this.#timing.startMs);
    for (;;) {
      const probe = await this.#admin.probe();
      if (probe.kind === "caddy") return isOurCommandLine(probe.args, this.#paths);
      if (!isAlive(found) || performance.now() >= deadline) return false;
      await sleep(100);
    }
  }

  async #adopt(found: RunningCaddy): Promise<CaddyStarted> {
    await writePid(this.#paths, found.pid);
    const began = performance.now();
    const watch = setInterval(() => {
      if (isAlive(found)) return;
      clearInterval(watch);
      this.#onExit(found, {}, performance.now() - began);
    }, this.#timing.watchMs);
    watch.unref();
    this.#ending.signal.addEventListener("abort", () => clearInterval(watch), { once: true });
    return this.#announce(found, false);
  }

  async #launch(predecessor?: ProcessIdentity): Promise<CaddyStarted> {
    await this.#options.prepare(predecessor !== undefined);
    const launched = await launchCaddy({
      ...(predecessor === undefined ? {} : { predecessor }),
      drain: this.#options.drain ?? "10m",
      paths: this.#paths,
      admin: this.#admin,
      environment: this.#options.environment ?? {},
      scrub: this.#scrub,
      startMs: this.#timing.startMs,
      stopMs: this.#timing.stopMs,
      signal: this.#ending.signal,
    });
    const began = performance.now();
    void launched.ended.then((end) => {
      this.#onExit(launched, end, performance.now() - began, launched.output);
    });
    return this.#announce({ pid: launched.pid, startTicks: launched.startTicks }, true, predecessor);
  }

  #announce(identity: ProcessIdentity, fresh: boolean, predecessor?: ProcessIdentity): CaddyStarted {
    const { pid } = identity;
    const started = { pid, fresh };
    this.#running = identity;
    this.#options.logger.info(fresh ? "Caddy started" : "adopted the running Caddy", { pid });
    const { events = noEvents } = this.#options;
    if (predecessor !== undefined)
      events.emit({
        type: "caddy.upgraded",
        message: `Caddy, process ${pid}, has taken over from process ${predecessor.pid}`,
        data: { pid, before: predecessor.pid },
      });
    else
      events.emit({
        type: "caddy.started",
        message: fresh
          ? `Caddy was started as process ${pid}`
          : `Caddy was running already as process ${pid}`,
        data: { pid, adopted: !fresh },
      });
    this.emit("started", started);
    return started;
  }

  #onExit({ pid, startTicks }: ProcessIdentity, end: ChildEnd, uptimeMs: number, output = () => ""): void {
    const isReplaced = this.#running?.pid !== pid || this.#running.startTicks !== startTicks;
    if (this.#ending.signal.aborted || isReplaced) return;
    this.#running = undefined;
    const exited = { pid, ...end };
    const text = output();
    const said = text === "" ? {} : { output: text };
    this.#options.logger.error("Caddy ended; starting it again", {
      ...exited,
      uptimeMs: Math.round(uptimeMs),
      ...said,
    });
    const how = end.signal ?? (end.exitCode === undefined ? undefined : `code ${end.exitCode}`);
    this.#options.events?.emit({
      type: "caddy.died",
      message: `Caddy, process ${pid}, ended${how === undefined ? "" : ` with ${how}`}; it is started again`,
      data: { pid, exit_code: end.exitCode, signal: end.signal, uptime_ms: Math.round(uptimeMs) },
    });
    this.emit("exited", exited);
    if (uptimeMs >= this.#timing.stableMs) this.#backoffMs = this.#timing.minBackoffMs;
    void this.#restart();
  }

  /** Tries until Caddy runs again or supervision ends. */
  async #restart(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const waitMs = this.#backoffMs;
      this.#backoffMs = Math.min(waitMs * 2, this.#timing.maxBackoffMs);
      try {
        await sleep(waitMs, undefined, { signal: this.#ending.signal });
        await this.#acquire();
        return;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        const reason = error instanceof Error ? error.message : String(error);
        const code = isGatewrightError(error) ? error.code : undefined;
        this.#options.logger.error("Caddy could not be started again", {
          code,
          reason,
          nextTryMs: this.#backoffMs,
        });
      }
    }
  }
}
