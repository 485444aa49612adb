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
import { describe, expect, it } from "vitest";
import { readBundle } from "../../src/store/bundle/bundle.ts";
import { decodeStamps, encodeBlock } from "../../src/store/bundle/bundle-format.ts";
import { readFolder } from "../../src/store/folder-reader.ts";
import { ids, textsOf, useBundleFolder, validate } from "./bundle-folder.ts";
import type { Note } from "./document-store.contract.ts";

const folder = useBundleFolder();
const { pathOf, writeNote, bundle, textsInFiles } = folder;
const bundlePath = () => join(folder.path, ".bundle");

const stamps = { ids: [], inodes: [], sizes: [], ctimesMs: [] };
/** A line without its newline, with the checksum that its stamps have now. */
function resummed(line: Buffer): Buffer {
  const head = line.subarray(18, line.lastIndexOf(0x09));
  const sum = crc32(head).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(sum), line.subarray(8, -1)]);
}

describe("a bundle", () => {
  it("spares the reading of each file that has not changed", async () => {
    expect(readFolder(folder.path, { validate }).unbundled).toBe(ids.length);
    expect(bundle()).toEqual({ written: ids.length, young: 0 });
    const content = readFolder(folder.path, { validate });
    expect(content.unbundled).toBe(0);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect((await stat(bundlePath())).mode & 0o777).toBe(0o600);
  });

  it("leaves out files that may change again within one tick of the file system's clock", () => {
    expect(bundle({})).toEqual({ written: 0, young: ids.length });
    expect(readFolder(folder.path, { validate }).unbundled).toBe(ids.length);
  });

  it("leaves out what is no document of its name", async () => {
    await writeFile(pathOf("broken"), "{", { mode: 0o600 });
    await writeNote("other", "another id", pathOf("named"));
    await symlink(pathOf("note-000"), pathOf("link"));
    expect(bundle()).toEqual({ written: ids.length, young: 0 });
    expect([...readFolder(folder.path, { validate }).unreadable.keys()].sort()).toEqual([
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
    const bundled = [...readBundle(folder.path)].flatMap(({ documents }) => documents.map(({ id }) => id));
    expect(bundled).toEqual(["largest", ...ids.slice(1)]);
    const content = readFolder(folder.path, { validate });
    expect([content.documents.size, content.unbundled]).toEqual([ids.length + 2, 1]);
    // The clock was set back since they were written.
    expect(bundle({ now: () => Date.now() - 60_000 })).toEqual({ written: 0, young: 0 });
  });

  it("has lines of any length", async () => {
    for (const id of ids) await writeNote(id, id.repeat(5_000));
    bundle();
    const content = readFolder(folder.path, { validate });
    expect(content.unbundled).toBe(0);
    expect(textsOf(content)).toEqual(await textsInFiles());
  });

  it("C9: leaves out a file that is not UTF-8, which each start reports", async () => {
    await writeFile(pathOf("latin"), Buffer.from('{"id":"latin","text":"caf\xe9"}', "latin1"), {
      mode: 0o600,
    });
    bundle();
    const { unreadable } = readFolder(folder.path, { validate });
    expect(unreadable.get("latin")?.reason).toBe("The file is not UTF-8 text.");
  });

  it("is removed by nobody who restarts, and half-written ones are", async () => {
    bundle();
    await writeFile(join(folder.path, ".tmp-.bundle-1"), "half");
    readFolder(folder.path, { validate });
    expect((await readdir(folder.path)).filter((name) => name.startsWith("."))).toEqual([".bundle"]);
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
        await writeNote(id, "AS BUNDLED", join(folder.path, "new"));
        await rename(join(folder.path, "new"), pathOf(id));
      },
    ],
    ["removal", (id) => rm(pathOf(id))],
    ["addition", () => writeNote("note-more", "added")],
  ])("%s", async (_, edit) => {
    bundle();
    const before = await textsInFiles();
    await edit("note-100");
    const content = readFolder(folder.path, { validate });
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect(textsOf(content)).not.toEqual(before);
    expect(content.unbundled).toBeLessThanOrEqual(1);
  });

  it("to something invalid is reported with the file's text", async () => {
    bundle();
    await writeNote("note-100", "invalid");
    expect(readFolder(folder.path, { validate }).unreadable.get("note-100")?.text).toContain("invalid");
  });

  it("and so does a rule that a document broke all the time", () => {
    bundle();
    const strict = (): Note => {
      throw new Error("No note is good enough.");
    };
    const content = readFolder(folder.path, { validate: strict });
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
      expect(textsOf(readFolder(folder.path, { validate }))).toEqual(expected);
    }
  });

  it("with a changed byte gives nothing of that block", async () => {
    bundle();
    const bytes = await readFile(bundlePath());
    bytes.write("AS BUNDLED", bytes.indexOf("as bundled"));
    await writeFile(bundlePath(), bytes);
    const content = readFolder(folder.path, { validate });
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
    const content = readFolder(folder.path, { validate });
    expect(content.documents.get("note-100")?.text).toBe("AS BUNDLED");
    expect(content.unbundled).toBe(100);
  });

  it("that is something else is ignored", async () => {
    await mkdir(bundlePath());
    expect(readFolder(folder.path, { validate }).documents.size).toBe(ids.length);
    await rm(bundlePath(), { recursive: true });
    for (const text of [
      "\n\n{}\n00000000 \n",
      "00000000 00000000 \t\t\n",
      "00000000 00000000 []\t[]\n",
      "x".repeat(100),
    ]) {
      await writeFile(bundlePath(), text);
      expect(readFolder(folder.path, { validate })).toMatchObject({ unbundled: ids.length });
    }
    const whole = encodeBlock({ key: "", isMade: false, stamps, documents: [] });
    await writeFile(bundlePath(), whole);
    expect([...readBundle(folder.path)]).toEqual([{ line: 0, key: "", isMade: false, documents: [] }]);
    // Of another format, of other types, and too long for a line of ours; what follows is read.
    const other = Buffer.from(whole.toString().replace("[2,", "[3,"));
    expect(decodeStamps(resummed(other))).toBeUndefined();
    expect(decodeStamps(resummed(Buffer.from(whole.toString().replace("[2,[],", "[2,{},"))))).toBeUndefined();
    expect(decodeStamps(resummed(whole))).toEqual(stamps);
    await writeFile(bundlePath(), Buffer.concat([Buffer.from("spoilt\n"), whole]));
    expect([...readBundle(folder.path)].map(({ line }) => line)).toEqual([1]);
    await writeFile(bundlePath(), Buffer.concat([whole, Buffer.alloc(16 * 1024 * 1024, "x"), whole]));
    expect([...readBundle(folder.path)].map(({ line }) => line)).toEqual([0]);
  });
});
