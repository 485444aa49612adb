import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { draftBundle, installBundle, readBundle } from "../../src/store/bundle/bundle.ts";
import { decodeStamps, encodeBlock } from "../../src/store/bundle/bundle-format.ts";
import { scanFolder } from "../../src/store/bundle/folder-scan.ts";
import { FolderScanner } from "../../src/store/bundle/folder-scanner.ts";
import { prefetchFolder } from "../../src/store/bundle/prefetched-folder.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { type Check, type FolderContent, readFolder } from "../../src/store/folder-reader.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Note, note } from "./document-store.contract.ts";

const ids = Array.from({ length: 250 }, (_, index) => `note-${String(index).padStart(3, "0")}`);

let folder: string;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  for (const id of ids) await writeNote(id, "as bundled");
  return () => temporary[Symbol.asyncDispose]();
});

const pathOf = (id: string) => join(folder, `${id}.json`);
const bundlePath = () => join(folder, ".bundle");

async function writeNote(id: string, text: string, path = pathOf(id)): Promise<void> {
  await writeFile(path, `${JSON.stringify({ id, text }, null, 2)}\n`, { mode: 0o600 });
}

/** Writes the bundle, as if the files had been at rest for long. */
function bundle(options: Parameters<typeof draftBundle>[1] = { now: () => Date.now() + 60_000 }) {
  const draft = draftBundle(folder, options);
  installBundle(folder, draft);
  return { written: draft.written, young: draft.young };
}

/** Waits until every file is so old that a bundle takes it, since a store writes no other for a few that it lacks. */
async function filesAtRest(lastId = ids.at(-1) ?? ""): Promise<void> {
  const { ctimeMs } = await stat(pathOf(lastId));
  await expect.poll(() => Date.now() - ctimeMs, { timeout: 15_000 }).toBeGreaterThan(2_100);
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
    expect(readFolder(folder, { validate }).unbundled).toBe(ids.length);
    expect(bundle()).toEqual({ written: ids.length, young: 0 });
    const content = readFolder(folder, { validate });
    expect(content.unbundled).toBe(0);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect((await stat(bundlePath())).mode & 0o777).toBe(0o600);
  });

  it("leaves out files that may change again within one tick of the file system's clock", () => {
    expect(bundle({})).toEqual({ written: 0, young: ids.length });
    expect(readFolder(folder, { validate }).unbundled).toBe(ids.length);
  });

  it("leaves out what is no document of its name", async () => {
    await writeFile(pathOf("broken"), "{", { mode: 0o600 });
    await writeNote("other", "another id", pathOf("named"));
    await symlink(pathOf("note-000"), pathOf("link"));
    expect(bundle()).toEqual({ written: ids.length, young: 0 });
    expect([...readFolder(folder, { validate }).unreadable.keys()].sort()).toEqual([
      "broken",
      "link",
      "named",
    ]);
  });

  it("leaves out what others may read, what is too large, and what is of a time to come", async () => {
    await writeNote("largest", "x".repeat(64 * 1024 - '{\n  "id": "largest",\n  "text": ""\n}\n'.length));
    await writeNote("larger", "x".repeat(64 * 1024));
    await chmod(pathOf("note-000"), 0o640);
    expect(bundle()).toEqual({ written: ids.length, young: 0 });
    const bundled = [...readBundle(folder)].flatMap(({ documents }) => documents.map(({ id }) => id));
    expect(bundled).toEqual(["largest", ...ids.slice(1)]);
    const content = readFolder(folder, { validate });
    expect([content.documents.size, content.unbundled]).toEqual([ids.length + 2, 1]);
    // The clock was set back since they were written.
    expect(bundle({ now: () => Date.now() - 60_000 })).toEqual({ written: 0, young: 0 });
  });

  it("has lines of any length", async () => {
    for (const id of ids) await writeNote(id, id.repeat(5_000));
    bundle();
    const content = readFolder(folder, { validate });
    expect(content.unbundled).toBe(0);
    expect(textsOf(content)).toEqual(await textsInFiles());
  });

  it("C9: leaves out a file that is not UTF-8, which each start reports", async () => {
    await writeFile(pathOf("latin"), Buffer.from('{"id":"latin","text":"caf\xe9"}', "latin1"), {
      mode: 0o600,
    });
    bundle();
    const { unreadable } = readFolder(folder, { validate });
    expect(unreadable.get("latin")?.reason).toBe("The file is not UTF-8 text.");
  });

  it("is removed by nobody who restarts, and half-written ones are", async () => {
    bundle();
    await writeFile(join(folder, ".tmp-.bundle-1"), "half");
    readFolder(folder, { validate });
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
    const content = readFolder(folder, { validate });
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect(textsOf(content)).not.toEqual(before);
    expect(content.unbundled).toBeLessThanOrEqual(1);
  });

  it("to something invalid is reported with the file's text", async () => {
    bundle();
    await writeNote("note-100", "invalid");
    expect(readFolder(folder, { validate }).unreadable.get("note-100")?.text).toContain("invalid");
  });

  it("and so does a rule that a document broke all the time", () => {
    bundle();
    const strict = (): Note => {
      throw new Error("No note is good enough.");
    };
    const content = readFolder(folder, { validate: strict });
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
      expect(textsOf(readFolder(folder, { validate }))).toEqual(expected);
    }
  });

  it("with a changed byte gives nothing of that block", async () => {
    bundle();
    const bytes = await readFile(bundlePath());
    bytes.write("AS BUNDLED", bytes.indexOf("as bundled"));
    await writeFile(bundlePath(), bytes);
    const content = readFolder(folder, { validate });
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect(content.unbundled).toBe(100);
  });

  it("whose stamps were made to fit an edited file gives nothing of that block", async () => {
    bundle();
    const before = await stat(pathOf("note-100"));
    await writeNote("note-100", "AS BUNDLED");
    const after = await stat(pathOf("note-100"));
    const text = await readFile(bundlePath(), "utf8");
    // It is the first of its block, and of the times of that.
    const at = text.indexOf('"note-100"');
    const fitted = text.slice(at).replace(String(before.ctimeMs), String(after.ctimeMs));
    await writeFile(bundlePath(), text.slice(0, at) + fitted);
    expect(fitted).not.toBe(text.slice(at));
    const content = readFolder(folder, { validate });
    expect(content.documents.get("note-100")?.text).toBe("AS BUNDLED");
    expect(content.unbundled).toBe(100);
  });

  it("that is something else is ignored", async () => {
    await mkdir(bundlePath());
    expect(readFolder(folder, { validate }).documents.size).toBe(ids.length);
    await rm(bundlePath(), { recursive: true });
    for (const text of [
      "\n\n{}\n00000000 \n",
      "00000000 00000000 \t\t\n",
      "00000000 00000000 []\t[]\n",
      "x".repeat(100),
    ]) {
      await writeFile(bundlePath(), text);
      expect(readFolder(folder, { validate })).toMatchObject({ unbundled: ids.length });
    }
    const whole = encodeBlock({ key: "", isMade: false, stamps, documents: [] });
    await writeFile(bundlePath(), whole);
    expect([...readBundle(folder)]).toEqual([{ line: 0, key: "", isMade: false, documents: [] }]);
    // Of another format, of other types, and too long for a line of ours; what follows is read.
    const other = Buffer.from(whole.toString().replace("[2,", "[3,"));
    expect(decodeStamps(resummed(other))).toBeUndefined();
    expect(decodeStamps(resummed(Buffer.from(whole.toString().replace("[2,[],", "[2,{},"))))).toBeUndefined();
    expect(decodeStamps(resummed(whole))).toEqual(stamps);
    await writeFile(bundlePath(), Buffer.concat([Buffer.from("spoilt\n"), whole]));
    expect([...readBundle(folder)].map(({ line }) => line)).toEqual([1]);
    await writeFile(bundlePath(), Buffer.concat([whole, Buffer.alloc(16 * 1024 * 1024, "x"), whole]));
    expect([...readBundle(folder)].map(({ line }) => line)).toEqual([0]);
  });
});

const stamps = { ids: [], inodes: [], sizes: [], ctimesMs: [] };
/** A line without its newline, with the checksum that its stamps have now. */
function resummed(line: Buffer): Buffer {
  const head = line.subarray(18, line.lastIndexOf(0x09));
  const sum = crc32(head).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(sum), line.subarray(8, -1)]);
}

/** Rules that trim texts and refuse bad ones, with a count of what they were asked. */
function rules(key: string) {
  const asked: unknown[] = [];
  const check = {
    key,
    validate: (value: unknown): Note => {
      asked.push(value);
      const { id, text } = value as Note;
      if (text === "bad") throw new Error("It is bad.");
      return text === text.trim() ? (value as Note) : { id, text: text.trim() };
    },
  } satisfies Check<Note>;
  return { ...check, asked };
}

describe("a bundle that was checked", () => {
  const bundleBy = (check: Check<Note> & { readonly key: string }) =>
    bundle({ now: () => Date.now() + 60_000, check });

  it("spares the same rules a second look", async () => {
    bundleBy(rules("a1"));
    const again = rules("a1");
    const content = readFolder(folder, again);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect([again.asked.length, content.unbundled, content.outdated]).toEqual([0, 0, 0]);
  });

  it("is checked again by other rules, and counts as outdated", async () => {
    bundleBy(rules("a1"));
    const other = rules("b2");
    const content = readFolder(folder, other);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect([other.asked.length, content.unbundled, content.outdated]).toEqual([250, 0, 250]);
  });

  it("is checked again where it was written without rules, and by readers without a key", () => {
    bundle();
    const keyed = rules("a1");
    readFolder(folder, keyed);
    bundleBy(rules("a1"));
    const { validate: unkeyed, asked } = rules("a1");
    readFolder(folder, { validate: unkeyed });
    expect([keyed.asked.length, asked.length]).toEqual([250, 250]);
  });

  it("has what the rules made of a file, for the same rules only", async () => {
    await writeNote("note-100", "  spaced  ");
    bundleBy(rules("a1"));
    const same = rules("a1");
    expect(readFolder(folder, same).documents.get("note-100")?.text).toBe("spaced");
    expect(same.asked).toEqual([]);
    const content = readFolder(folder, { validate, key: "b2" });
    expect(content.documents.get("note-100")?.text).toBe("  spaced  ");
    expect(content.unbundled).toBe(1);
  });

  it("leaves out what the rules refuse, which is reported at each start", async () => {
    await writeNote("note-100", "bad");
    expect(bundleBy(rules("a1"))).toEqual({ written: 249, young: 0 });
    const content = readFolder(folder, rules("a1"));
    expect(content.unreadable.get("note-100")?.reason).toBe("It is bad.");
    expect(content.documents.size).toBe(249);
  });

  it("does not hide an edit from the rules", async () => {
    bundleBy(rules("a1"));
    await writeNote("note-100", "bad");
    const again = rules("a1");
    expect(readFolder(folder, again).unreadable.get("note-100")?.text).toContain("bad");
    expect(again.asked.length).toBe(1);
  });

  it("cannot be given another key by a changed byte", async () => {
    bundleBy(rules("a1"));
    const bytes = await readFile(bundlePath());
    bytes.write("b2", bytes.indexOf("a1"));
    await writeFile(bundlePath(), bytes);
    const other = rules("b2");
    expect(readFolder(folder, other).unbundled).toBe(100);
    expect(other.asked.length).toBe(250);
  });
});

describe("a folder that is scanned before it is opened", () => {
  it("is told by names and stamps alone", async () => {
    bundle();
    await writeNote("note-100", "edited");
    await rm(pathOf("note-201"));
    await writeNote("note-more", "added");
    await writeFile(join(folder, "no-document"), "");
    const { hidden, files, lines, bundled } = scanFolder(folder);
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
    const scanner = new FolderScanner(folder);
    const scan = await scanner.result();
    await writeNote("note-more", "added");
    expect(await scanner.result()).toBe(scan);
    expect(scan).toEqual({ ...scanFolder(folder), files: [] });
    await scanner.close();
  });

  it("is reported where it cannot be read", async () => {
    const scanner = new FolderScanner(join(folder, "none"));
    await expect(scanner.result()).rejects.toMatchObject({ code: "ENOENT" });
    await scanner.close();
  });

  it("gives what it gives otherwise, edits included", async () => {
    bundle();
    await writeNote("note-100", "edited");
    await rm(pathOf("note-101"));
    await writeNote("note-more", "added");
    const store = openFileStore<Note>({ folder, validate, prefetched: prefetchFolder(folder, 0) });
    const { documents } = await store.open();
    await store.close();
    expect(Object.fromEntries(documents.map(({ id, text }) => [id, text]))).toEqual(await textsInFiles());
  });

  it("is locked from then on, and free when the store is closed unopened", async () => {
    bundle();
    const prefetched = prefetchFolder(folder, 0);
    expect(prefetched).toBeDefined();
    await expect(openFileStore<Note>({ folder, validate }).open()).rejects.toThrow("in use by");
    expect(prefetchFolder(folder, 0)).toBeUndefined();
    await openFileStore<Note>({ folder, validate, prefetched }).close();
    const store = openFileStore<Note>({ folder, validate });
    expect((await store.open()).documents.length).toBe(250);
    await store.close();
  });

  it("is left alone while it is small or has no bundle", () => {
    expect(prefetchFolder(folder, 0)).toBeUndefined();
    bundle();
    expect(prefetchFolder(folder)).toBeUndefined();
  });

  it("is scanned again when the thread ends without an answer", async () => {
    bundle();
    const prefetched = prefetchFolder(folder, 0);
    await prefetched?.scanner.close();
    const store = openFileStore<Note>({ folder, validate, prefetched });
    expect((await store.open()).documents.length).toBe(250);
    await store.close();
  });

  it.each([
    ["fewer lines than were scanned", (lines: readonly string[]) => lines.slice(0, 1)],
    ["more lines than were scanned", (lines: readonly string[]) => [...lines, ...lines]],
  ])("loses nothing when %s can be read afterwards", async (_, change) => {
    bundle();
    const scan = scanFolder(folder);
    const lines = (await readFile(bundlePath(), "utf8")).split("\n");
    await writeFile(
      bundlePath(),
      change(lines.slice(0, -1))
        .map((line) => `${line}\n`)
        .join(""),
    );
    const content = readFolder(folder, { validate }, { blocks: [...readBundle(folder)], scan });
    expect(textsOf(content)).toEqual(await textsInFiles());
  });
});

describe("a store with many documents", () => {
  it("writes its bundle by itself, and again when enough has changed", async () => {
    await filesAtRest();
    const store = openFileStore<Note>({ folder, validate, bundleFrom: 100, bundleDelayMs: 20, idleMs: 1 });
    const { revision } = await store.open();
    const bundled = () =>
      Object.fromEntries(
        [...readBundle(folder)].flatMap(({ documents }) => documents).map((one) => [one.id, one]),
      );
    const inFiles = async () =>
      Object.fromEntries(Object.entries(await textsInFiles()).map(([id, text]) => [id, { id, text }]));
    await expect.poll(bundled, { timeout: 15_000 }).toEqual(await inFiles());
    const puts = ids.slice(0, 120).map((id) => note(id));
    await store.commit({ expected: revision, puts, deletes: ["note-200"] });
    await store.checkpoint();
    // Files that were too young for it are fewer than a store writes another for.
    await expect.poll(() => scanFolder(folder).files.length, { timeout: 15_000 }).toBeLessThan(100);
    await store.close();
    const expected = await textsInFiles();
    expect(expected["note-000"]).toBe(note("note-000").text);
    expect(Object.keys(expected)).not.toContain("note-200");
    expect(textsOf(readFolder(folder, { validate }))).toEqual(expected);
  }, 40_000);

  it("has its documents checked where the bundle is written, and again when the rules change", async () => {
    const module = new URL("bundle-check.ts", import.meta.url).href;
    const state = () => {
      const blocks = [...readBundle(folder)];
      const bundled = blocks.flatMap(({ documents }) => documents).map(({ id }) => id);
      return { keys: [...new Set(blocks.map(({ key }) => key))], ids: bundled };
    };
    await filesAtRest();
    const good = ids.filter((id) => id !== "note-100");
    for (const key of ["a1", "b2"]) {
      const documentCheck = { key, module, settings: "note-100" };
      const store = openFileStore<Note>({
        folder,
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
    const store = openFileStore<Note>({ folder, validate, bundleFrom: 20, bundleDelayMs: 5 });
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
    const store = openFileStore<Note>({ folder, validate, bundleFrom: 100, bundleDelayMs: 0 });
    await store.open();
    await store.close();
    expect((await readdir(folder)).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
    expect(textsOf(readFolder(folder, { validate }))).toEqual(await textsInFiles());
  });
});
