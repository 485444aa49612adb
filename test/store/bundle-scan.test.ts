import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readBundle } from "../../src/store/bundle/bundle.ts";
import { scanFolder } from "../../src/store/bundle/folder-scan.ts";
import { FolderScanner } from "../../src/store/bundle/folder-scanner.ts";
import { prefetchFolder } from "../../src/store/bundle/prefetched-folder.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { readFolder } from "../../src/store/folder-reader.ts";
import { textsOf, useBundleFolder, validate } from "./bundle-folder.ts";
import type { Note } from "./document-store.contract.ts";

const folder = useBundleFolder();
const { pathOf, writeNote, bundle, textsInFiles } = folder;
const bundlePath = () => join(folder.path, ".bundle");

describe("a folder that is scanned before it is opened", () => {
  it("is told by names and stamps alone", async () => {
    bundle();
    await writeNote("note-100", "edited");
    await rm(pathOf("note-201"));
    await writeNote("note-more", "added");
    await writeFile(join(folder.path, "no-document"), "");
    const { hidden, files, lines, bundled } = scanFolder(folder.path);
    expect([hidden, files.toSorted()]).toEqual([[".bundle"], ["note-100.json", "note-more.json"]]);
    expect([...lines]).toEqual([
      [0, []],
      [1, [0]],
      [2, [1]],
    ]);
    expect(bundled).toBe(248);
  });

  it("is as it was when the thread looked", async () => {
    bundle();
    const scanner = new FolderScanner(folder.path);
    const scan = await scanner.result();
    await writeNote("note-more", "added");
    expect(await scanner.result()).toBe(scan);
    expect(scan).toEqual({ ...scanFolder(folder.path), files: [] });
    await scanner.close();
  });

  it("is reported where it cannot be read", async () => {
    const scanner = new FolderScanner(join(folder.path, "none"));
    await expect(scanner.result()).rejects.toMatchObject({ code: "ENOENT" });
    await scanner.close();
  });

  it("gives what it gives otherwise, edits included", async () => {
    bundle();
    await writeNote("note-100", "edited");
    await rm(pathOf("note-101"));
    await writeNote("note-more", "added");
    const store = openFileStore<Note>({
      folder: folder.path,
      validate,
      prefetched: prefetchFolder(folder.path, 0),
    });
    const { documents } = await store.open();
    await store.close();
    expect(Object.fromEntries(documents.map(({ id, text }) => [id, text]))).toEqual(await textsInFiles());
  });

  it("is locked from then on, and free when the store is closed unopened", async () => {
    bundle();
    const prefetched = prefetchFolder(folder.path, 0);
    expect(prefetched).toBeDefined();
    await expect(openFileStore<Note>({ folder: folder.path, validate }).open()).rejects.toThrow("in use by");
    expect(prefetchFolder(folder.path, 0)).toBeUndefined();
    await openFileStore<Note>({ folder: folder.path, validate, prefetched }).close();
    const store = openFileStore<Note>({ folder: folder.path, validate });
    expect((await store.open()).documents.length).toBe(250);
    await store.close();
  });

  it("is left alone while it is small or has no bundle", () => {
    expect(prefetchFolder(folder.path, 0)).toBeUndefined();
    bundle();
    expect(prefetchFolder(folder.path)).toBeUndefined();
  });

  it("is scanned again when the thread ends without an answer", async () => {
    bundle();
    const prefetched = prefetchFolder(folder.path, 0);
    await prefetched?.scanner.close();
    const store = openFileStore<Note>({ folder: folder.path, validate, prefetched });
    expect((await store.open()).documents.length).toBe(250);
    await store.close();
  });

  it.each([
    ["fewer lines than were scanned", (lines: readonly string[]) => lines.slice(0, 1)],
    ["more lines than were scanned", (lines: readonly string[]) => [...lines, ...lines]],
  ])("loses nothing when %s can be read afterwards", async (_, change) => {
    bundle();
    const scan = scanFolder(folder.path);
    const lines = (await readFile(bundlePath(), "utf8")).split("\n");
    await writeFile(
      bundlePath(),
      change(lines.slice(0, -1))
        .map((line) => `${line}\n`)
        .join(""),
    );
    const content = readFolder(folder.path, { validate }, { blocks: [...readBundle(folder.path)], scan });
    expect(textsOf(content)).toEqual(await textsInFiles());
  });
});
