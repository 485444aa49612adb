import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import type { EventSink } from "../model/event.ts";
import { FileResolver } from "../resolver/file.ts";
import { HypemanResolver } from "../resolver/hypeman.ts";
import { parseInstance } from "../resolver/instance-reader.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { InstanceRegistry } from "../resolver/registry.ts";
import type { SourceStatus } from "../resolver/source-view.ts";
import { Errands } from "../store/etcd/errands.ts";
import type { FileStoreOptions } from "../store/file-store.ts";
import type { ControlMetrics } from "../telemetry/control-metrics.ts";
import { openSet, type SharedStore } from "./shared-store.ts";

/** The source of instances; `registry` is the same one where it can be written. */
export interface Instances {
  readonly resolver: InstanceResolver;
  readonly registry?: InstanceRegistry;
  /** How the source does, where instances come from elsewhere. */
  readonly source?: { readonly name: string; readonly status: () => SourceStatus };
  /** Starts an instance, where the source can; see `HypemanResolver.wake`. */
  readonly wake?: (name: string) => Promise<void>;
  /** Takes the source's token of these settings from now on, where it has one. */
  readonly renew?: (config: Config) => void;
}

/** What a source is made with; `how` is for the registry's store. */
interface SourceParts {
  readonly config: Config;
  readonly logger: Logger;
  /** Hears what happens to instances. */
  readonly events: EventSink;
  readonly metrics: Pick<ControlMetrics, "store" | "fetches">;
  readonly how: Pick<FileStoreOptions<Instance>, "documentCheck" | "prefetched">;
  /** Undefined where each gateway has its own registry. */
  readonly shared: SharedStore | undefined;
}

/** Every value of INSTANCE_SOURCE, and what makes it. */
const sources: { readonly [name in Config["instances"]["source"]]: (parts: SourceParts) => Instances } = {
  registry({ config, events, logger, metrics, how, shared }) {
    const track = metrics.store("instances");
    const store = openSet<Instance>(config, shared, "instances", { validate: parseInstance, track, ...how });
    const registry = new InstanceRegistry({ store, events, logger });
    return { resolver: registry, registry };
  },
  hypeman({ config, events, logger, metrics, shared }) {
    const errands = shared === undefined ? undefined : new Errands(shared);
    const { url, token, pollInterval } = settingsOf("hypeman", config.instances.hypeman);
    const secret = token === undefined ? {} : { token: token.reveal() };
    const track = metrics.fetches("hypeman");
    const resolver = new HypemanResolver({
      url,
      ...secret,
      intervalMs: pollInterval.ms,
      ...(errands === undefined ? {} : { takeWaking: (id) => errands.take(`wake/${id}`) }),
      track,
      events,
      logger,
    });
    const source = { name: "hypeman", status: () => resolver.status() };
    return {
      resolver,
      source,
      wake: (name) => resolver.wake(name),
      renew: ({ instances }) => resolver.renewToken(instances.hypeman?.token?.reveal()),
    };
  },
  file({ config, events, logger, metrics }) {
    const path = settingsOf("file", config.instances.file);
    const resolver = new FileResolver({ path, track: metrics.fetches("file"), events, logger });
    return { resolver, source: { name: "file", status: () => resolver.status() } };
  },
};

/** Makes the source that INSTANCE_SOURCE names. Nothing is read before its `start()`. */
export function createInstances(config: Config, parts: Omit<SourceParts, "config">): Instances {
  return sources[config.instances.source]({ config, ...parts });
}

function settingsOf<T>(source: string, settings: T | undefined): T {
  if (settings !== undefined) return settings;
  throw new GatewrightError("config_invalid", `INSTANCE_SOURCE=${source} lacks its settings`);
}
