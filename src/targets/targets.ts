import type { CaddyApi } from "../caddy/caddy-api.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Ingress, InstanceTraffic, TrafficMode } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { RuleReporter } from "../status/status-board.ts";
import type { DocumentStore } from "../store/document-store.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { AddressFeed } from "./address-feed.ts";
import type { Feed } from "./feed.ts";
import { HealthChecks } from "./health-checks.ts";
import { InstanceModes, type TrafficDocument } from "./instance-modes.ts";
import { type KeyPairLookup, probe } from "./probe.ts";
import { TargetFeed } from "./target-feed.ts";
import { targetReport } from "./target-report.ts";
import { type Wake, WakeService } from "./wake-service.ts";

export interface TargetsOptions {
  /** Modes of instances. */
  readonly store: DocumentStore<TrafficDocument>;
  readonly ingresses: Pick<IngressStore, "watch">;
  readonly resolver: InstanceResolver;
  readonly api: Pick<CaddyApi, "pushAddresses" | "pushTargets" | "awaitWakes">;
  /** Why an address may not be asked; undefined when it may. */
  readonly refuses: (ip: string, port: number) => string | undefined;
  /** What health checks show instances that demand a certificate. */
  readonly findKeyPair: KeyPairLookup;
  /** Starts instances, where the source can. */
  readonly wake?: Wake | undefined;
  /** Hears of drains, pauses and health. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
}

/** Drains and pauses instances. */
export interface TrafficControl {
  get(name: string): InstanceTraffic;
  has(name: string): boolean;
  /**
   * Resolves when the mode is durable and Caddy keeps to it. Throws `store_unavailable`, and `caddy_unavailable` when
   * Caddy does not answer: the mode is kept then, and told as soon as it does. `by` says whose change it is; default:
   * Gatewright's own.
   */
  set(name: string, mode: TrafficMode, pauseTimeout?: string, by?: Attribution): Promise<InstanceTraffic>;
}

/** What watches over targets: their addresses, health checks, drains and pauses, wake-ups. */
export interface Targets {
  /** What Caddy is told; see `Feed`. */
  readonly feeds: readonly Pick<Feed<unknown>, "start" | "flush" | "stop">[];
  readonly traffic: TrafficControl;
  /** The modes as they are kept, for archives. `restore` throws as `TrafficControl.set` does. */
  readonly modes: Pick<InstanceModes, "list" | "restore">;
  readonly report: RuleReporter;
  /** Begins to check and wake the targets of these ingresses and of all later ones. */
  follow(ingresses: Iterable<Ingress>): void;
  close(): Promise<void>;
}

/** Longest wait for Caddy to take a mode. */
const DELIVERY_MS = 5_000;

export async function openTargets(options: TargetsOptions): Promise<Targets> {
  const { api, events = noEvents, findKeyPair, ingresses, logger, refuses, resolver, store, wake } = options;
  const modes = new InstanceModes({ store, events, logger: logger.child("traffic") });
  await modes.start();
  const health = new HealthChecks({
    resolver,
    refuses,
    probe: (target, settings, ending) => probe(target, settings, findKeyPair, ending),
    events,
    logger: logger.child("health"),
  });
  const addresses = new AddressFeed({ api, resolver, logger: logger.child("ingress") });
  const feed = new TargetFeed({ api, health, modes, resolver, logger: logger.child("traffic") });
  const wakes =
    wake === undefined ? undefined : new WakeService({ api, wake, logger: logger.child("traffic") });
  const unwatch = ingresses.watch(({ puts, deletes }) => {
    for (const ingress of puts) {
      void health.put(ingress);
      wakes?.put(ingress);
    }
    for (const id of deletes) {
      health.remove(id);
      wakes?.remove(id);
    }
  });
  return {
    feeds: [addresses, feed],
    traffic: {
      get: (name) => modes.get(name),
      has: (name) => modes.has(name),
      set: async (name, mode, timeout, by) => {
        const traffic = await modes.set(name, mode, timeout, by);
        await delivered(feed);
        return traffic;
      },
    },
    modes: {
      list: () => modes.list(),
      restore: async (documents, by) => {
        await modes.restore(documents, by);
        await delivered(feed);
      },
    },
    report: targetReport({ resolver, health, modeOf: (name) => modes.get(name).mode }),
    follow: (all) => {
      const present = [...all];
      for (const ingress of present) wakes?.put(ingress);
      void health.start(present);
      feed.open();
    },
    close: async () => {
      unwatch();
      wakes?.stop();
      health.stop();
      feed.stop();
      await modes.close();
    },
  };
}

/** Waits until Caddy knows. */
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
