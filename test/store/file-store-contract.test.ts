import { openFileStore } from "../../src/store/file-store.ts";
import { documentStoreContract, type Note } from "./document-store.contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

documentStoreContract("a file store", async () => {
  const folder = await temporaryFolder();
  return { store: () => openFileStore<Note>({ folder: folder.path }), dispose: () => folder.remove() };
});
