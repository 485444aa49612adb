import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readBundle } from "../../src/store/bundle/bundle.ts";
import { scanFolder } from "../../src/store/bundle/folder-scan.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { readFolder } from "../../src/store/folder-reader.ts";
import { ids, textsOf, useBundleFolder, validate } from "./bundle-folder.ts";
import { type Note, note } from "./document-store.contract.ts";

const folder = useBundleFolder();
const { pathOf, writeNote, filesAtRest, textsInFiles } = folder;
const bundlePath = () => join(folder.path, ".bundle");

describe("a store with many documents", () => {
  it("writes its bundle by itself, and again when enough has changed", async () => {
    await filesAtRest();
    const store = openFileStore<Note>({
      folder: folder.path,
      validate,
      bundleFrom: 100,
      bundleDelayMs: 20,
      idleMs: 1,
    });
    const { revision } = await store.open();
    const bundled = () =>
      Object.fromEntries(
        [...readBundle(folder.path)].flatMap(({ documents }) => documents).map((one) => [one.id, one]),
      );
    const inFiles = async () =>
      Object.fromEntries(Object.entries(await textsInFiles()).map(([id, text]) => [id, { id, text }]));
    await expect.poll(bundled, { timeout: 15_000 }).toEqual(await inFiles());
    const puts = ids.slice(0, 120).map((id) => note(id));
    await store.commit({ expected: revision, puts, deletes: ["note-200"] });
    await store.checkpoint();
    // Files that were too young for it are fewer than a store writes another for.
    await expect.poll(() => scanFolder(folder.path).files.length, { timeout: 15_000 }).toBeLessThan(100);
    await store.close();
    const expected = await textsInFiles();
    expect(expected["note-000"]).toBe(note("note-000").text);
    expect(Object.keys(expected)).not.toContain("note-200");
    expect(textsOf(readFolder(folder.path, { validate }))).toEqual(expected);
  }, 40_000);

  it("has its documents checked where the bundle is written, and again when the rules change", async () => {
    const module = new URL("bundle-check.ts", import.meta.url).href;
    const state = () => {
      const blocks = [...readBundle(folder.path)];
      const bundled = blocks.flatMap(({ documents }) => documents).map(({ id }) => id);
      return { keys: [...new Set(blocks.map(({ key }) => key))], ids: bundled };
    };
    await filesAtRest();
    const good = ids.filter((id) => id !== "note-100");
    for (const key of ["a1", "b2"]) {
      const documentCheck = { key, module, settings: "note-100" };
      const store = openFileStore<Note>({
        folder: folder.path,
        validate,
        documentCheck,
        bundleFrom: 100,
        bundleDelayMs: 20,
      });
      await store.open();
      await expect.poll(state, { timeout: 15_000 }).toEqual({ keys: [key], ids: good });
      await store.close();
    }
  }, 40_000);

  it("C9: is not written again and again for documents that it cannot take", async () => {
    const large = ids.map((id) => ({ id: `large-${id}`, text: "x".repeat(70_000) }));
    for (const { id, text } of large.slice(0, 40)) await writeNote(id, text);
    await writeFile(pathOf("broken"), "{", { mode: 0o600 });
    await filesAtRest("broken");
    const store = openFileStore<Note>({ folder: folder.path, validate, bundleFrom: 20, bundleDelayMs: 5 });
    await store.open();
    const inode = () =>
      stat(bundlePath()).then(
        ({ ino }) => ino,
        () => undefined,
      );
    await expect.poll(inode, { timeout: 15_000 }).toBeDefined();
    const first = await inode();
    // Twenty times as long as a store waits between two.
    const until = Date.now() + 20 * 60;
    await expect.poll(() => Date.now(), { timeout: 15_000 }).toBeGreaterThan(until);
    expect(await inode()).toBe(first);
    await store.close();
  }, 40_000);

  it("ends the writing when it is closed", async () => {
    const store = openFileStore<Note>({ folder: folder.path, validate, bundleFrom: 100, bundleDelayMs: 0 });
    await store.open();
    await store.close();
    expect((await readdir(folder.path)).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
    expect(textsOf(readFolder(folder.path, { validate }))).toEqual(await textsInFiles());
  });
});
