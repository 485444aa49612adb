import { join } from "node:path";
import type { Config } from "../config.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { EventSink } from "../model/event.ts";
import type { Document, DocumentStore } from "../store/document-store.ts";
import { ensurePrivateFolder } from "../store/durable.ts";
import type { EtcdClient } from "../store/etcd/client.ts";
import { DocumentSet } from "../store/etcd/document-set.ts";
import { type Absence, EtcdStore, type EtcdStoreOptions } from "../store/etcd/etcd-store.ts";
import { LocalCopy } from "../store/etcd/local-copy.ts";
import type { Sealer } from "../store/etcd/sealer.ts";
import { Upkeep } from "../store/etcd/upkeep.ts";
import { type FileStoreOptions, openFileStore } from "../store/file-store.ts";
import { checkEtcdMoved, checkFilesMoved } from "./migration.ts";
import { openEtcd } from "./open-etcd.ts";
import { type SetName, setFolder } from "./set-folder.ts";

/** How a set is opened. */
export type SetOptions<T extends Document> = Pick<
  FileStoreOptions<T>,
  "documentCheck" | "prefetched" | "track"
> &
  Required<Pick<FileStoreOptions<T>, "validate">> &
  Pick<EtcdStoreOptions<T>, "before" | "restsOn">;

/** Numbers of commits, by set. */
export type Revisions = { readonly [name in SetName]?: number };

/** The etcd that gateways share. */
export interface SharedStore {
  readonly client: EtcdClient;
  /** `DATA_DIR/etcd`: where the copies are. */
  readonly folder: string;
  /** Ends in a slash. */
  readonly prefix: string;
  readonly sealer: Sealer;
  /** The last commit of each set that is known here. */
  revisions(): Revisions;
  /** Prepares a set of documents, with its copy below `DATA_DIR/etcd`. */
  set<T extends Document>(name: SetName, options: SetOptions<T>): EtcdStore<T>;
  /** Since when etcd does not answer, and why; undefined while it does. */
  absence(): Absence | undefined;
  /** How much room etcd has, and what is to be done about it. */
  readonly upkeep: Pick<Upkeep, "room" | "problems">;
  /** Takes the password and the keys of these settings. */
  renew(config: Config): void;
  close(): Promise<void>;
}

/** Undefined with `STORE=files`. Throws `config_invalid` where a file of a certificate cannot be read. */
export async function openSharedStore(
  config: Config,
  events: EventSink,
  logger: Logger,
): Promise<SharedStore | undefined> {
  const { dataDir, store } = config;
  checkFilesMoved(config);
  if (store.kind !== "etcd") return undefined;
  const folder = join(dataDir, "etcd");
  await ensurePrivateFolder(folder);
  const { prefix } = store;
  const { client, sealer } = await openEtcd(store);
  await checkEtcdMoved(client, prefix);
  const upkeep = new Upkeep({ client });
  upkeep.start();
  const stores = new Map<SetName, { readonly absence: Absence | undefined; readonly revision: number }>();
  const absence = () => [...stores.values()].map((one) => one.absence).find((one) => one !== undefined);
  let told: string | undefined;
  // All sets come and go with the same etcd, of which is told once.
  const onConnection = (): void => {
    const reason = absence()?.reason;
    if ((reason === undefined) === (told === undefined)) return;
    told = reason;
    if (reason === undefined) logger.info("etcd answers again");
    else logger.error("etcd is not followed; what is known is served, and changes are refused", { reason });
    events.emit(
      reason === undefined
        ? { type: "store.reached", message: "etcd answers again" }
        : { type: "store.unreachable", message: `etcd is not followed: ${reason}`, data: { reason } },
    );
  };
  return {
    client,
    folder,
    prefix,
    sealer,
    revisions: () => Object.fromEntries([...stores].map(([name, { revision }]) => [name, revision])),
    set: <T extends Document>(name: SetName, options: SetOptions<T>) => {
      const onError = ({ message }: GatewrightError) => logger.warn(message);
      const opened = new EtcdStore<T>({
        set: new DocumentSet({ client, prefix, sealer, set: name }),
        copy: new LocalCopy<T>({
          store: openFileStore<T>({
            ...options,
            folder: setFolder(config, name),
            onBackgroundError: onError,
          }),
          placePath: join(folder, `${name}.place`),
          onError,
        }),
        validate: options.validate,
        onConnection,
        ...(options.before && { before: options.before }),
        ...(options.restsOn && { restsOn: options.restsOn }),
      });
      stores.set(name, opened);
      return opened;
    },
    renew: ({ store }) => {
      if (store.kind !== "etcd") return;
      if (store.password !== undefined) client.renewPassword(store.password.reveal());
      sealer.renew(store.keys.map((key) => key.reveal()));
    },
    absence,
    upkeep,
    close: async () => {
      upkeep.close();
      await client.close();
    },
  };
}

/** A set of documents: files in its folder of `DATA_DIR`, or one that gateways share. */
export function openSet<T extends Document>(
  config: Config,
  shared: SharedStore | undefined,
  name: SetName,
  options: SetOptions<T> & Pick<FileStoreOptions<T>, "onBackgroundError">,
): DocumentStore<T> {
  return shared?.set(name, options) ?? openFileStore<T>({ ...options, folder: setFolder(config, name) });
}
