import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import { noEvents } from "../model/event.ts";
import { parseAdminUrl } from "./admin-address.ts";
import { type AdminClient, createAdminClient } from "./admin-client.ts";
import {
  type CaddyEvents,
  type CaddyProcess,
  type CaddyProcessOptions,
  type CaddyStarted,
  type CaddyTiming,
  defaultTiming,
} from "./caddy-process.ts";
import { type ChildEnd, endProcess, hasOtherEnvironment, launchCaddy } from "./launch.ts";
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
