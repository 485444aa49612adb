import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFileStore } from "../../src/store/file-store.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Note, note } from "./document-store.contract.ts";

const JOURNAL = ".journal-00000001";
const batches: readonly { readonly puts: readonly Note[]; readonly deletes: readonly string[] }[] = [
  { puts: [note("a")], deletes: [] },
  { puts: [note("b"), note("c")], deletes: ["a"] },
  { puts: [note("d")], deletes: [] },
];
const states = [[], [note("a")], [note("b"), note("c")], [note("b"), note("c"), note("d")]];

let root: Awaited<ReturnType<typeof temporaryFolder>>;
/** The journal that the batches make: its base line, then one line each. */
let journal: Buffer;
/** Where each line ends, its newline included. */
let ends: number[];

beforeAll(async () => {
  root = await temporaryFolder();
  const folder = join(root.path, "source");
  const store = openFileStore<Note>({ folder, idleMs: 3_600_000 });
  await store.open();
  for (const [expected, batch] of batches.entries()) await store.commit({ expected, ...batch });
  journal = await readFile(join(folder, JOURNAL));
  await store.close();
  ends = [...journal.entries()].flatMap(([index, byte]) => (byte === 0x0a ? [index + 1] : []));
});
afterAll(() => root[Symbol.asyncDispose]());

let folders = 0;
/** Opens a folder that holds nothing but these bytes as its journal. */
async function openJournal(bytes: Buffer) {
  folders += 1;
  const folder = join(root.path, String(folders));
  await cp(join(root.path, "source", ".lock"), join(folder, ".lock"));
  await writeFile(join(folder, JOURNAL), bytes);
  const store = openFileStore<Note>({ folder, idleMs: 3_600_000 });
  const snapshot = await store.open();
  return { folder, store, snapshot };
}

function flipped(index: number, mask: number): Buffer {
  const copy = Buffer.from(journal);
  copy[index] = (copy[index] ?? 0) ^ mask;
  return copy;
}

/** The number of the line that a byte is in; 0 is the base line. */
const lineOf = (index: number) => ends.findIndex((end) => index < end);

it("has one line a batch", () => {
  expect(ends).toHaveLength(batches.length + 1);
});

it("opens, cut off at any byte, with every batch whose line is whole, and reports nothing", async () => {
  for (let length = 0; length <= journal.length; length += 1) {
    const { store, snapshot } = await openJournal(journal.subarray(0, length));
    const revision = Math.max(0, ends.filter((end) => end <= length).length - 1);
    expect(snapshot, `cut at ${length}`).toEqual({ revision, documents: states[revision], unreadable: [] });
    await store.close();
  }
});

it("takes the next batch after a cut, and keeps it", async () => {
  const { folder, store } = await openJournal(journal.subarray(0, (ends[3] ?? 0) - 10));
  expect(await store.commit({ expected: 2, puts: [note("z")], deletes: [] })).toBe(3);
  const copy = join(root.path, "after-cut");
  await cp(folder, copy, { recursive: true, filter: (path) => !basename(path).startsWith(".tmp-") });
  await store.close();
  const again = openFileStore<Note>({ folder: copy });
  expect(await again.open()).toEqual({
    revision: 3,
    documents: [note("b"), note("c"), note("z")],
    unreadable: [],
  });
  await again.close();
});

it("drops an end whose blocks never reached the disk", async () => {
  for (let start = ends[2] ?? 0; start < journal.length; start += 7) {
    const holed = Buffer.from(journal).fill(0, start, Math.min(start + 20, journal.length));
    const { store, snapshot } = await openJournal(holed);
    expect(snapshot, `zeros from ${start}`).toMatchObject({ unreadable: [] });
    // When the zeros begin behind the record's last byte, it was written whole.
    expect(snapshot.documents).toEqual(start === journal.length - 1 ? states[3] : states[2]);
    await store.close();
  }
});

describe("damage to what was acknowledged", () => {
  it("in any byte of a batch before the last is reported with its text, and the batches after it count", async () => {
    for (let index = ends[0] ?? 0; index < (ends[1] ?? 0) - 1; index += 1) {
      const { store, snapshot } = await openJournal(flipped(index, 0x01));
      expect(snapshot, `byte ${index}`).toMatchObject({ revision: 3, documents: states[3] });
      expect(snapshot.unreadable).toHaveLength(1);
      expect(snapshot.unreadable[0]?.text.length).toBe((ends[1] ?? 0) - (ends[0] ?? 0) - 1);
      await store.close();
    }
  });

  it("in a newline takes two batches into the report", async () => {
    const { store, snapshot } = await openJournal(flipped((ends[1] ?? 0) - 1, 0x01));
    expect(snapshot).toMatchObject({ revision: 3, documents: [note("d")] });
    expect(snapshot.unreadable[0]?.text).toMatch(/text of a.*text of b.*text of c/);
    await store.close();
  });

  it("in the base line costs no batch", async () => {
    const { store, snapshot } = await openJournal(flipped(20, 0x04));
    expect(snapshot).toMatchObject({ revision: 3, documents: states[3] });
    expect(snapshot.unreadable).toHaveLength(1);
    await store.close();
  });

  it("in the last newline costs nothing", async () => {
    const { store, snapshot } = await openJournal(flipped(journal.length - 1, 0x01));
    expect(snapshot).toEqual({ revision: 3, documents: states[3], unreadable: [] });
    await store.close();
  });

  it("anywhere, at random, never costs another line and never goes unreported", async () => {
    const random = seededRandom(3);
    for (let round = 0; round < 200; round += 1) {
      const index = Math.floor(random() * journal.length);
      const bytes = flipped(index, 1 << Math.floor(random() * 7));
      // Neither a changed line end nor a NUL at the end: those have tests of their own.
      if (bytes[index] === 0x0a || bytes[index] === 0 || journal[index] === 0x0a) continue;
      const { store, snapshot } = await openJournal(bytes);
      const line = lineOf(index);
      const expected = new Map<string, Note>();
      for (const [number, { puts, deletes }] of batches.entries()) {
        if (number + 1 === line) continue;
        for (const put of puts) expected.set(put.id, put);
        for (const id of deletes) expected.delete(id);
      }
      expect(snapshot.documents, `byte ${index}`).toEqual(
        [...expected.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
      expect(snapshot.unreadable).toHaveLength(1);
      await store.close();
    }
  });

  it("is kept and reported at each opening, until the file that was kept is removed", async () => {
    const { folder, store, snapshot } = await openJournal(flipped((ends[0] ?? 0) + 40, 0x01));
    expect(snapshot.unreadable[0]).toMatchObject({
      id: JOURNAL,
      path: join(folder, JOURNAL),
      reason: expect.stringContaining(`remove ${JOURNAL}.damaged`),
    });
    await store.commit({ expected: 3, puts: [note("e")], deletes: [] });
    await store.close();
    expect(await readdir(folder)).toContain(`${JOURNAL}.damaged`);

    const second = openFileStore<Note>({ folder });
    const { documents, unreadable } = await second.open();
    expect(documents).toEqual([note("b"), note("c"), note("d"), note("e")]);
    expect(unreadable).toMatchObject([
      { path: join(folder, `${JOURNAL}.damaged`), text: snapshot.unreadable[0]?.text },
    ]);
    await second.close();

    await rm(join(folder, `${JOURNAL}.damaged`));
    const third = openFileStore<Note>({ folder });
    expect((await third.open()).unreadable).toEqual([]);
    await third.close();
  });
});

it("C9: does not open a journal of a format that it does not know, and leaves it as it is", async () => {
  const record = '{"format":2,"base":0}';
  const sum = crc32(Buffer.from(record)).toString(16).padStart(8, "0");
  const bytes = Buffer.concat([
    Buffer.from(`{"sum":"${sum}","record":${record}}\n`),
    journal.subarray(ends[0]),
  ]);
  await expect(openJournal(bytes)).rejects.toMatchObject({
    code: "store_unavailable",
    message: expect.stringMatching(/\.journal-00000001.*format 2/),
  });
  expect(await readFile(join(root.path, String(folders), JOURNAL))).toEqual(bytes);
});
