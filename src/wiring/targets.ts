import { join } from "node:path";
import type { CaddyApi } from "../caddy/caddy-api.ts";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import { HealthChecks } from "../health/health-checks.ts";
import { probe } from "../health/probe.ts";
import { targetReport } from "../health/target-report.ts";
import type { TrafficControl } from "../http/traffic.ts";
import type { Logger } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { RuleReporter } from "../status/status-board.ts";
import { openFileStore } from "../store/file-store.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { InstanceModes, parseTraffic } from "../traffic/instance-traffic.ts";
import { TargetFeed } from "../traffic/target-feed.ts";
import { WakeService } from "../traffic/wake-service.ts";
import { targetRefusal } from "../validation/target-guard.ts";
import { admissionSettings } from "./admission-settings.ts";

export interface TargetsOptions {
  readonly config: Config;
  readonly store: IngressStore;
  readonly resolver: InstanceResolver;
  readonly api: Pick<CaddyApi, "pushTargets" | "awaitWakes">;
  /** Starts instances, where the source can. */
  readonly wake?: ((name: string) => Promise<void>) | undefined;
  readonly logger: Logger;
}

/** What watches over targets: health checks, drains and pauses, wake-ups. */
export interface Targets {
  readonly feed: TargetFeed;
  readonly traffic: TrafficControl;
  readonly report: RuleReporter;
  /** Begins to check and wake the targets of these ingresses and of all later ones. */
  follow(ingresses: Iterable<Ingress>): void;
  close(): Promise<void>;
}

/** Longest wait for the first round of health checks before Caddy is told what is known by then. */
const FIRST_ROUND_MS = 5_000;
/** Longest wait for Caddy to take a mode. */
const DELIVERY_MS = 5_000;

export async function openTargets(options: TargetsOptions): Promise<Targets> {
  const { api, config, logger, resolver, store, wake } = options;
  const { guard } = admissionSettings(config);
  const modes = new InstanceModes({
    store: openFileStore({ folder: join(config.dataDir, "traffic"), validate: parseTraffic }),
    logger: logger.child("traffic"),
  });
  await modes.start();
  const health = new HealthChecks({
    resolver,
    refuses: (ip, port) => targetRefusal(ip, port, guard),
    probe,
    logger: logger.child("health"),
  });
  const feed = new TargetFeed({ api, health, modes, resolver, logger: logger.child("traffic") });
  const wakes =
    wake === undefined ? undefined : new WakeService({ api, wake, logger: logger.child("traffic") });
  const unwatch = store.watch(({ puts, deletes }) => {
    for (const ingress of puts) {
      void health.put(ingress);
      wakes?.put(ingress);
    }
    for (const id of deletes) {
      health.remove(id);
      wakes?.remove(id);
    }
  });
  let firstRound: NodeJS.Timeout | undefined;
  return {
    feed,
    traffic: {
      get: (name) => modes.get(name),
      has: (name) => modes.has(name),
      set: async (name, mode, timeout) => {
        const traffic = await modes.set(name, mode, timeout);
        await delivered(feed);
        return traffic;
      },
    },
    report: targetReport({ resolver, health, modeOf: (name) => modes.get(name).mode }),
    follow: (ingresses) => {
      const all = [...ingresses];
      for (const ingress of all) wakes?.put(ingress);
      firstRound = setTimeout(() => feed.open(), FIRST_ROUND_MS);
      void health.start(all).then(() => {
        clearTimeout(firstRound);
        feed.open();
      });
    },
    close: async () => {
      unwatch();
      clearTimeout(firstRound);
      wakes?.stop();
      health.stop();
      feed.stop();
      await modes.close();
    },
  };
}

/** Waits until Caddy knows. Throws `caddy_unavailable`; the mode is kept and told to Caddy as soon as it answers. */
async function delivered(feed: TargetFeed): Promise<void> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error("no answer in time")), DELIVERY_MS);
  try {
    await Promise.race([feed.delivered(), timeout.promise]);
  } catch (cause) {
    const message = "Caddy does not answer; the mode is kept, and holds as soon as Caddy answers";
    throw new GatewrightError("caddy_unavailable", message, { cause });
  } finally {
    clearTimeout(timer);
  }
}
