import { openFileStore } from "../../src/store/file-store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { documentStoreContract, type Note } from "./document-store.contract.ts";

documentStoreContract("a file store", async () => {
  const folder = await temporaryFolder();
  return {
    store: () => openFileStore<Note>({ folder: folder.path }),
    dispose: () => folder[Symbol.asyncDispose](),
  };
});
