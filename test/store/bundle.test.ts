import { mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readBundle, writeBundle } from "../../src/store/bundle.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { type FolderContent, readFolder } from "../../src/store/folder-reader.ts";
import { type Note, note } from "./document-store.contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const ids = Array.from({ length: 250 }, (_, index) => `note-${String(index).padStart(3, "0")}`);

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  remove = () => temporary.remove();
  for (const id of ids) await writeNote(id, "as bundled");
});
afterEach(() => remove());

const pathOf = (id: string) => join(folder, `${id}.json`);
const bundlePath = () => join(folder, ".bundle");

async function writeNote(id: string, text: string, path = pathOf(id)): Promise<void> {
  await writeFile(path, `${JSON.stringify({ id, text }, null, 2)}\n`, { mode: 0o600 });
}

/** Writes the bundle as if the files had been at rest for long. */
function bundle() {
  return writeBundle(folder, { now: () => Date.now() + 60_000 });
}

function validate(value: unknown): Note {
  if ((value as Note).text.includes("invalid")) throw new Error("It is invalid.");
  return value as Note;
}

const textsOf = (content: FolderContent<Note>) =>
  Object.fromEntries([...content.documents.values()].map(({ id, text }) => [id, text]));

/** What the folder holds when each file is read. */
async function textsInFiles(): Promise<{ readonly [id: string]: string }> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
  const notes = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8")) as Note),
  );
  return Object.fromEntries(notes.map(({ id, text }) => [id, text]));
}

describe("a bundle", () => {
  it("spares the reading of each file that has not changed", async () => {
    expect(readFolder(folder, validate).unbundled).toBe(ids.length);
    expect(bundle()).toEqual({ written: ids.length, left: 0 });
    const content = readFolder(folder, validate);
    expect(content.unbundled).toBe(0);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect((await stat(bundlePath())).mode & 0o777).toBe(0o600);
  });

  it("leaves out files that may change again within one tick of the file system's clock", () => {
    expect(writeBundle(folder)).toEqual({ written: 0, left: ids.length });
    expect(readFolder(folder, validate).unbundled).toBe(ids.length);
  });

  it("leaves out what is no document of its name", async () => {
    await writeFile(pathOf("broken"), "{", { mode: 0o600 });
    await writeNote("other", "another id", pathOf("named"));
    await symlink(pathOf("note-000"), pathOf("link"));
    expect(bundle()).toEqual({ written: ids.length, left: 3 });
    expect([...readFolder(folder, validate).unreadable.keys()].sort()).toEqual(["broken", "link", "named"]);
  });

  it("is removed by nobody who restarts, and half-written ones are", async () => {
    bundle();
    await writeFile(join(folder, ".tmp-.bundle-1"), "half");
    readFolder(folder, validate);
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([".bundle"]);
  });
});

describe("an edit behind a bundle counts", () => {
  it.each<[string, (id: string) => Promise<void>]>([
    ["in place", (id) => writeNote(id, "edited, longer than it was")],
    ["in place, of the same length", (id) => writeNote(id, "AS BUNDLED")],
    [
      "in place, of the same length, with the time set back",
      async (id) => {
        const { atime, mtime } = await stat(pathOf(id));
        await writeNote(id, "AS BUNDLED");
        await utimes(pathOf(id), atime, mtime);
      },
    ],
    [
      "by rename",
      async (id) => {
        await writeNote(id, "AS BUNDLED", join(folder, "new"));
        await rename(join(folder, "new"), pathOf(id));
      },
    ],
    ["removal", (id) => rm(pathOf(id))],
    ["addition", () => writeNote("note-more", "added")],
  ])("%s", async (_, edit) => {
    bundle();
    const before = await textsInFiles();
    await edit("note-100");
    const content = readFolder(folder, validate);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect(textsOf(content)).not.toEqual(before);
    expect(content.unbundled).toBeLessThanOrEqual(1);
  });

  it("to something invalid is reported with the file's text", async () => {
    bundle();
    await writeNote("note-100", "invalid");
    expect(readFolder(folder, validate).unreadable.get("note-100")?.text).toContain("invalid");
  });

  it("and so does a rule that a document broke all the time", () => {
    bundle();
    const strict = (): Note => {
      throw new Error("No note is good enough.");
    };
    const content = readFolder(folder, strict);
    expect([content.documents.size, content.unreadable.size]).toEqual([0, ids.length]);
    expect(content.unreadable.get("note-100")?.text).toContain("as bundled");
  });
});

describe("a damaged bundle", () => {
  it("that was torn anywhere only costs time", async () => {
    bundle();
    const whole = await readFile(bundlePath());
    const expected = await textsInFiles();
    for (let length = 0; length < whole.length; length += 997) {
      await writeFile(bundlePath(), whole.subarray(0, length));
      expect(textsOf(readFolder(folder, validate))).toEqual(expected);
    }
  });

  it("with a changed byte gives nothing of that block", async () => {
    bundle();
    const bytes = await readFile(bundlePath());
    bytes.write("AS BUNDLED", bytes.indexOf("as bundled"));
    await writeFile(bundlePath(), bytes);
    const content = readFolder(folder, validate);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect(content.unbundled).toBe(100);
  });

  it("that is something else is ignored", async () => {
    await mkdir(bundlePath());
    expect(readFolder(folder, validate).documents.size).toBe(ids.length);
    await rm(bundlePath(), { recursive: true });
    await writeFile(bundlePath(), "\n\n{}\n00000000 \n");
    expect(readFolder(folder, validate).documents.size).toBe(ids.length);
  });
});

describe("a store with many documents", () => {
  it("writes its bundle by itself, and again when enough has changed", async () => {
    const store = openFileStore<Note>({ folder, validate, bundleFrom: 100, bundleDelayMs: 20, idleMs: 1 });
    const { revision } = await store.open();
    const bundled = () =>
      Object.fromEntries([...readBundle(folder)].map(({ document }) => [document.id, document]));
    const inFiles = async () =>
      Object.fromEntries(Object.entries(await textsInFiles()).map(([id, text]) => [id, { id, text }]));
    // Files are taken when they are two seconds old.
    await expect.poll(bundled, { timeout: 15_000 }).toEqual(await inFiles());
    const puts = ids.slice(0, 120).map((id) => note(id));
    await store.commit({ expected: revision, puts, deletes: ["note-200"] });
    await store.checkpoint();
    await expect.poll(bundled, { timeout: 15_000 }).toEqual(await inFiles());
    await store.close();
    const expected = await textsInFiles();
    expect(expected["note-000"]).toBe(note("note-000").text);
    expect(Object.keys(expected)).not.toContain("note-200");
    const content = readFolder(folder, validate);
    expect(textsOf(content)).toEqual(expected);
    expect(content.unbundled).toBe(0);
  }, 40_000);

  it("ends the writing when it is closed", async () => {
    const store = openFileStore<Note>({ folder, validate, bundleFrom: 100, bundleDelayMs: 0 });
    await store.open();
    await store.close();
    expect(textsOf(readFolder(folder, validate))).toEqual(await textsInFiles());
  });
});
