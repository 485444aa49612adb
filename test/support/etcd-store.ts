import { join } from "node:path";
import type { Document } from "../../src/store/document-store.ts";
import { EtcdClient, type EtcdClientOptions } from "../../src/store/etcd/client.ts";
import { DocumentSet } from "../../src/store/etcd/document-set.ts";
import { EtcdStore, type EtcdStoreOptions } from "../../src/store/etcd/etcd-store.ts";
import { LocalCopy } from "../../src/store/etcd/local-copy.ts";
import { Sealer } from "../../src/store/etcd/sealer.ts";
import { openFileStore } from "../../src/store/file-store.ts";

/** The key of all tests. */
export const storeKey = Buffer.alloc(32, 7).toString("base64");

export interface TestStoreOptions<T extends Document>
  extends Pick<EtcdStoreOptions<T>, "onConnection" | "patienceMs">,
    EtcdClientOptions {
  /** Of the copy. */
  readonly folder: string;
  /** Default: `/gatewright/`. */
  readonly prefix?: string;
  readonly validate?: (value: unknown) => T;
  readonly keys?: readonly string[];
  readonly logBytes?: number;
}

/** A client and a set, as a gateway has them; the client is the caller's to close. */
export function etcdSet(options: Omit<TestStoreOptions<Document>, "folder">): {
  readonly client: EtcdClient;
  readonly set: DocumentSet;
} {
  const {
    endpoints,
    keys = [storeKey],
    logBytes,
    prefix = "/gatewright/",
    timeoutMs = 1000,
    tls,
    user,
  } = options;
  const client = new EtcdClient({ endpoints, timeoutMs, ...(tls && { tls }), ...(user && { user }) });
  const shared = { client, prefix, sealer: new Sealer(keys), set: "notes" };
  return { client, set: new DocumentSet({ ...shared, ...(logBytes === undefined ? {} : { logBytes }) }) };
}

/** A store on etcd with a copy in a folder. */
export function etcdStore<T extends Document>(
  options: TestStoreOptions<T>,
): EtcdStore<T> & { readonly end: () => Promise<void> } {
  const { folder, validate = (value) => value as T, onConnection, patienceMs } = options;
  const { client, set } = etcdSet(options as TestStoreOptions<Document>);
  const copy = new LocalCopy<T>({
    store: openFileStore<T>({ folder: join(folder, "notes"), validate }),
    placePath: join(folder, "notes.place"),
    onError: (error) => process.emitWarning(error),
  });
  const store = new EtcdStore<T>({
    set,
    copy,
    validate,
    checkMs: 100,
    ...(onConnection === undefined ? {} : { onConnection }),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  });
  const end = async (): Promise<void> => {
    await store.close();
    await client.close();
  };
  return Object.assign(store, { end });
}
