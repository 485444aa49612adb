import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect } from "vitest";
import { draftBundle, installBundle } from "../../src/store/bundle/bundle.ts";
import type { FolderContent } from "../../src/store/folder-reader.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import type { Note } from "./document-store.contract.ts";

export const ids = Array.from({ length: 250 }, (_, index) => `note-${String(index).padStart(3, "0")}`);

/** A folder of 250 notes for each test of a file. */
export interface BundleFolder {
  readonly path: string;
  pathOf(id: string): string;
  writeNote(id: string, text: string, path?: string): Promise<void>;
  /** Writes the bundle, as if the files had been at rest for long. */
  bundle(options?: Parameters<typeof draftBundle>[1]): { readonly written: number; readonly young: number };
  /** Waits until every file is so old that a bundle takes it, since a store writes no other for a few that it lacks. */
  filesAtRest(lastId?: string): Promise<void>;
  /** What the folder holds when each file is read. */
  textsInFiles(): Promise<{ readonly [id: string]: string }>;
}

export function useBundleFolder(): BundleFolder {
  let path: string;
  const pathOf = (id: string) => join(path, `${id}.json`);
  const writeNote = (id: string, text: string, file = pathOf(id)) =>
    writeFile(file, `${JSON.stringify({ id, text }, null, 2)}\n`, { mode: 0o600 });
  beforeEach(async () => {
    const temporary = await temporaryFolder();
    path = temporary.path;
    for (const id of ids) await writeNote(id, "as bundled");
    return () => temporary[Symbol.asyncDispose]();
  });
  return {
    get path() {
      return path;
    },
    pathOf,
    writeNote,
    bundle(options = { now: () => Date.now() + 60_000 }) {
      const draft = draftBundle(path, options);
      installBundle(path, draft);
      return { written: draft.written, young: draft.young };
    },
    async filesAtRest(lastId = ids.at(-1) ?? "") {
      const { ctimeMs } = await stat(pathOf(lastId));
      await expect.poll(() => Date.now() - ctimeMs, { timeout: 15_000 }).toBeGreaterThan(2_100);
    },
    async textsInFiles() {
      const names = (await readdir(path)).filter((name) => name.endsWith(".json"));
      const notes = await Promise.all(
        names.map(async (name) => JSON.parse(await readFile(join(path, name), "utf8")) as Note),
      );
      return Object.fromEntries(notes.map(({ id, text }) => [id, text]));
    },
  };
}

/** Takes every note that is not invalid. */
export function validate(value: unknown): Note {
  if ((value as Note).text.includes("invalid")) throw new Error("It is invalid.");
  return value as Note;
}

export const textsOf = (content: FolderContent<Note>) =>
  Object.fromEntries([...content.documents.values()].map(({ id, text }) => [id, text]));
