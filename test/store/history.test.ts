import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Attribution } from "../../src/model/attribution.ts";
import { type FileStoreOptions, openFileStore } from "../../src/store/file-store.ts";
import type { BatchRecord, DocumentChange, RevisionLog } from "../../src/store/history/revision.ts";
import { until } from "../support/until.ts";

interface Note {
  readonly id: string;
  readonly text: string;
}

const ann: Attribution = { actor: { subject: "ann", via: "api" }, message: "first try" };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "history-"));
});
afterEach(() => rm(folder, { recursive: true }));

function openStore(options: Partial<FileStoreOptions<Note>> = {}) {
  return openFileStore<Note>({ folder, idleMs: 5, bundleFrom: 1e9, ...options });
}

function record(...changes: DocumentChange<Note>[]): BatchRecord<Note> {
  return { at: new Date(0).toISOString(), authors: [ann], changes };
}

function batchOf(expected: number, text = `${expected}`) {
  const [before, after] = [
    { id: "a", text: "before" },
    { id: "a", text },
  ];
  return { expected, puts: [after], deletes: [], record: record({ author: 0, before, after }) };
}

async function readAll(log: RevisionLog<Note>, before?: number) {
  const found = [];
  for await (const { revision, authors, changes } of log.newestFirst(before))
    found.push({ revision, authors, changes: [...changes()].flat() });
  return found;
}

async function segments(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith(".history-")).sort();
}

describe("the history", () => {
  it("tells what was committed, the newest first, before and after it is on the disk", async () => {
    const store = openStore({ idleMs: 1e6 });
    await store.open();
    await store.commit(batchOf(0, "one"));
    await store.commit({ expected: 1, puts: [], deletes: [] });
    await store.commit(batchOf(2, "three"));
    const expected = [3, 1].map((revision) => ({
      revision,
      authors: [ann],
      changes: [
        {
          author: 0,
          before: { id: "a", text: "before" },
          after: { id: "a", text: revision === 1 ? "one" : "three" },
        },
      ],
    }));
    expect(await readAll(store.revisions)).toEqual(expected);
    await store.checkpoint();
    expect(await readAll(store.revisions)).toEqual(expected);
    expect(await readAll(store.revisions, 3)).toEqual(expected.slice(1));
    await store.close();
    const again = openStore();
    await again.open();
    expect(await readAll(again.revisions)).toEqual(expected);
    await again.close();
  });

  it("has of a large batch every change, in parts", async () => {
    const store = openStore();
    await store.open();
    const documents = Array.from({ length: 250 }, (_, index) => ({ id: `n${index}`, text: "x" }));
    const changes = documents.map((after) => ({ author: 0, after }));
    await store.commit({ expected: 0, puts: documents, deletes: [], record: record(...changes) });
    await store.checkpoint();
    for await (const revision of store.revisions.newestFirst()) {
      expect(revision).toMatchObject({ created: 250, changed: 0, deleted: 0, parts: 3 });
      expect([...revision.changes()].flat()).toEqual(changes);
    }
    await store.close();
  });

  it("is read by one at a time, since each has a file in memory", async () => {
    const store = openStore();
    await store.open();
    await store.commit(batchOf(0));
    await store.checkpoint();
    const [first, second] = [store.revisions.newestFirst(), store.revisions.newestFirst()].map((log) =>
      log[Symbol.asyncIterator](),
    );
    const order: string[] = [];
    await first?.next();
    const waiting = second?.next().then(() => order.push("second"));
    // Longer than a file takes to be read.
    await store.commit(batchOf(1));
    await store.checkpoint();
    order.push("first");
    await first?.return?.();
    await waiting;
    expect(order).toEqual(["first", "second"]);
    await second?.return?.();
    expect(await readAll(store.revisions)).toHaveLength(2);
    await store.close();
  });

  it("cuts off what a crash left half-written, and takes it from the journal", async () => {
    const store = openStore();
    await store.open();
    await store.commit(batchOf(0));
    await store.close();
    const [name = ""] = await segments();
    const whole = await readFile(join(folder, name));
    // The crash of a process that had written a half of the second revision, which the journal has.
    const second = openStore({
      idleMs: 1e6,
      onStep: (step) => {
        if (step === "history-write") throw new Error("full");
      },
      onBackgroundError: () => undefined,
    });
    await second.open();
    await second.commit(batchOf(1, "two"));
    await second.close();
    await appendFile(join(folder, name), whole.subarray(0, whole.length / 2));
    const third = openStore();
    await third.open();
    expect((await readAll(third.revisions)).map(({ revision }) => revision)).toEqual([2, 1]);
    await third.checkpoint();
    await third.close();
    const fourth = openStore();
    await fourth.open();
    expect((await readAll(fourth.revisions)).map(({ revision }) => revision)).toEqual([2, 1]);
    await fourth.close();
  });

  it("leaves out a revision of which a line is damaged, and what was never committed", async () => {
    const store = openStore();
    await store.open();
    for (const revision of [0, 1, 2]) await store.commit(batchOf(revision, `text-${revision}`));
    await store.close();
    const [name = ""] = await segments();
    const text = await readFile(join(folder, name), "utf8");
    await writeFile(join(folder, name), text.replace("text-1", "test-1"));
    const again = openStore();
    await again.open();
    expect((await readAll(again.revisions)).map(({ revision }) => revision)).toEqual([3, 1]);
    await again.close();
    // The documents alone were restored: their revisions begin again.
    for (const file of await readdir(folder)) if (file.startsWith(".journal-")) await rm(join(folder, file));
    const restored = openStore();
    await restored.open();
    expect(await readAll(restored.revisions)).toEqual([]);
    await restored.commit(batchOf(0, "new"));
    await restored.checkpoint();
    expect((await readAll(restored.revisions)).map(({ revision }) => revision)).toEqual([1]);
    await restored.close();
  });

  it("lets the oldest go when there is too much, or when they are too old", async () => {
    const store = openStore({ historyBytes: 16_000 });
    await store.open();
    for (let revision = 0; revision < 200; revision += 1) {
      await store.commit(batchOf(revision, "x".repeat(100)));
      if (revision % 10 === 9) await store.checkpoint();
    }
    const kept = (await readAll(store.revisions)).map(({ revision }) => revision);
    expect(kept[0]).toBe(200);
    expect(kept.length).toBeGreaterThan(20);
    expect(kept.length).toBeLessThan(60);
    await store.close();
    const strict = openStore({ historyAgeMs: -1 });
    await strict.open();
    await strict.commit(batchOf(200));
    await strict.checkpoint();
    await until(async () => (await segments()).length === 1);
    await strict.close();
  });
});
