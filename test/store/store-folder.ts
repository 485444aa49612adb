import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { Snapshot } from "../../src/store/document-store.ts";
import { type FileStore, type FileStoreOptions, openFileStore } from "../../src/store/file-store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import type { Note } from "./document-store.contract.ts";

/** A folder for each test of a file, with the stores that are opened in it. */
export interface StoreFolder {
  readonly path: string;
  /** Opens a store, which is closed after the test. */
  opened(
    options?: Partial<FileStoreOptions<Note>>,
  ): Promise<{ readonly store: FileStore<Note>; readonly snapshot: Snapshot<Note> }>;
  /** Does something after the test, the last one first. */
  after(cleanup: () => Promise<void>): void;
  read(name: string): Promise<string>;
  modeOf(name: string): Promise<number>;
}

export function useStoreFolder(): StoreFolder {
  let path: string;
  const cleanups: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    const temporary = await temporaryFolder();
    path = join(temporary.path, "ingresses");
    cleanups.push(() => temporary[Symbol.asyncDispose]());
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  return {
    get path() {
      return path;
    },
    async opened(options = {}) {
      const store = openFileStore<Note>({ folder: path, ...options });
      const snapshot = await store.open();
      cleanups.push(() => store.close());
      return { store, snapshot };
    },
    after: (cleanup) => void cleanups.push(cleanup),
    read: (name) => readFile(join(path, name), "utf8"),
    modeOf: async (name) => (await stat(join(path, name))).mode & 0o777,
  };
}

export async function put(store: FileStore<Note>, expected: number, ...puts: Note[]): Promise<void> {
  await store.commit({ expected, puts, deletes: [] });
}
