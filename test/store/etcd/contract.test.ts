import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Etcd, startEtcd } from "../../support/etcd.ts";
import { etcdStore } from "../../support/etcd-store.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { documentStoreContract, type Medium, type Note } from "../document-store.contract.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd[Symbol.asyncDispose]());

/** Each medium has a prefix of its own; `fresh`: each opening begins without a local copy. */
function medium(fresh: boolean): () => Promise<Medium> {
  return async () => {
    const folder = await temporaryFolder();
    const prefix = `/contract/${randomUUID()}/`;
    const opened: (() => Promise<void>)[] = [];
    let count = 0;
    return {
      store: () => {
        count += fresh ? 1 : 0;
        const store = etcdStore<Note>({
          endpoints: etcd.endpoints,
          folder: join(folder.path, `copy-${count}`),
          prefix,
        });
        opened.push(store.end);
        return store;
      },
      dispose: async () => {
        for (const end of opened) await end();
        await folder[Symbol.asyncDispose]();
      },
    };
  };
}

documentStoreContract("a store on etcd, with its copy,", medium(false));
documentStoreContract("a store on etcd alone", medium(true));
