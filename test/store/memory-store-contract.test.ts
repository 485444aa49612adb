import { MemoryStore } from "../support/memory-store.ts";
import { documentStoreContract, type Note } from "./document-store.contract.ts";

documentStoreContract("a store in memory", async () => {
  const store = new MemoryStore<Note>();
  return { store: () => store, dispose: async () => undefined };
});
