import { join } from "node:path";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
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

/** Makes the source that INSTANCE_SOURCE names. Nothing is read before its `start()`. `how` is for the registry's store. */
export function createInstances(
  config: Config,
  logger: Logger,
  how: Pick<FileStoreOptions<Instance>, "documentCheck" | "prefetched">,
): Instances {
  const { source, file, hypeman } = config.instances;
  if (source === "file" && file !== undefined) return { resolver: new FileResolver({ path: file, logger }) };
  if (source === "hypeman" && hypeman !== undefined) {
    const { url, token, pollInterval } = hypeman;
    const secret = token === undefined ? {} : { token: token.reveal() };
    const resolver = new HypemanResolver({ url, ...secret, intervalMs: pollInterval.ms, logger });
    return { resolver, wake: (name) => resolver.wake(name) };
  }
  if (source !== "registry")
    throw new GatewrightError("config_invalid", `INSTANCE_SOURCE=${source} lacks its settings`);
  const store = openFileStore<Instance>({
    folder: join(config.dataDir, "instances"),
    validate: parseInstance,
    ...how,
  });
  const registry = new InstanceRegistry({ store, logger });
  return { resolver: registry, registry };
}
