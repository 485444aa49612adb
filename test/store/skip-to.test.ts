import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileStore } from "../../src/store/file-store.ts";
import type { BatchRecord } from "../../src/store/history/revision.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Note, note } from "./document-store.contract.ts";

let folder: string;
const cleanups: (() => Promise<void>)[] = [];
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = join(temporary.path, "copy");
  cleanups.push(() => temporary[Symbol.asyncDispose]());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function opened() {
  const store = openFileStore<Note>({ folder });
  const snapshot = await store.open();
  cleanups.push(() => store.close());
  return { store, snapshot };
}

function put(expected: number, document: Note) {
  const record: BatchRecord<Note> = {
    at: new Date(0).toISOString(),
    authors: [{ actor: { subject: "ann", via: "api" } }],
    changes: [{ author: 0, after: document }],
  };
  return { expected, puts: [document], deletes: [], record };
}

async function revisionsOf(store: Awaited<ReturnType<typeof opened>>["store"]) {
  const found: number[] = [];
  for await (const { revision } of store.revisions.newestFirst()) found.push(revision);
  return found;
}

describe("a store that is told to count on from another revision", () => {
  it.each([40, 1])("does so from %d, and after opening again without a report of damage", async (target) => {
    const { store } = await opened();
    await store.commit(put(0, note("a")));
    await store.commit(put(1, note("b")));
    await store.skipTo(target);
    expect(await store.commit(put(target, note("c")))).toBe(target + 1);
    await store.close();
    const { snapshot } = await opened();
    expect(snapshot).toEqual({
      revision: target + 1,
      documents: [note("a"), note("b"), note("c")],
      unreadable: [],
    });
  });

  it("keeps the history of earlier revisions, and forgets that of later ones, which is another's", async () => {
    const { store } = await opened();
    await store.commit(put(0, note("a")));
    await store.commit(put(1, note("b")));
    await store.skipTo(9);
    await store.commit(put(9, note("c")));
    expect(await revisionsOf(store)).toEqual([10, 2, 1]);
    await store.skipTo(4);
    await store.commit(put(4, note("d")));
    expect(await revisionsOf(store)).toEqual([5]);
    await store.checkpoint();
    expect(await revisionsOf(store)).toEqual([5]);
  });
});
