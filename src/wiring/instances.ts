import { join } from "node:path";
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
import { type FileStoreOptions, openFileStore } from "../store/file-store.ts";

/** The source of instances; `registry` is the same one where it can be written. */
export interface Instances {
  readonly resolver: InstanceResolver;
  readonly registry?: InstanceRegistry;
  /** Starts an instance, where the source can; see `HypemanResolver.wake`. */
  readonly wake?: (name: string) => Promise<void>;
}

/** What a source is made with; but for the events, `how` is for the registry's store. */
interface SourceParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly how: Pick<FileStoreOptions<Instance>, "documentCheck" | "prefetched"> & {
    /** Hears what happens to instances. */
    readonly events: EventSink;
  };
}

/** Every value of INSTANCE_SOURCE, and what makes it. */
const sources: { readonly [name in Config["instances"]["source"]]: (parts: SourceParts) => Instances } = {
  registry({ config, logger, how: { events, ...how } }) {
    const folder = join(config.dataDir, "instances");
    const store = openFileStore<Instance>({ folder, validate: parseInstance, ...how });
    const registry = new InstanceRegistry({ store, events, logger });
    return { resolver: registry, registry };
  },
  hypeman({ config, logger }) {
    const { url, token, pollInterval } = settingsOf("hypeman", config.instances.hypeman);
    const secret = token === undefined ? {} : { token: token.reveal() };
    const resolver = new HypemanResolver({ url, ...secret, intervalMs: pollInterval.ms, logger });
    return { resolver, wake: (name) => resolver.wake(name) };
  },
  file({ config, logger }) {
    return { resolver: new FileResolver({ path: settingsOf("file", config.instances.file), logger }) };
  },
};

/** Makes the source that INSTANCE_SOURCE names. Nothing is read before its `start()`. */
export function createInstances(config: Config, logger: Logger, how: SourceParts["how"]): Instances {
  return sources[config.instances.source]({ config, logger, how });
}

function settingsOf<T>(source: string, settings: T | undefined): T {
  if (settings !== undefined) return settings;
  throw new GatewrightError("config_invalid", `INSTANCE_SOURCE=${source} lacks its settings`);
}
