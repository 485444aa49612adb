import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DocumentStore } from "../../src/store/document-store.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { readSegment } from "../../src/store/history/segment.ts";
import { parseJournal } from "../../src/store/journal/journal-format.ts";
import type { StoreStep } from "../../src/store/store-step.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { documentsAt, spoiltAt, spoiltIds, spoiltText, workload } from "./crash-workload.ts";
import type { Note } from "./document-store.contract.ts";

/** What becomes of the batch under way when the process dies there; "either" where commits and other work overlap. */
type Fate = "absent" | "present" | "either";

// The rows of the state table in docs/storage.md; the numbers say which time the step comes up.
const crashes: readonly [StoreStep, number, Fate][] = [
  ["journal-create", 1, "absent"],
  ["journal-create", 2, "absent"],
  ["journal-start", 1, "absent"],
  ["journal-start", 2, "absent"],
  ["journal-start-sync", 1, "absent"],
  ["journal-start-sync", 3, "absent"],
  ["journal-append", 1, "absent"],
  ["journal-append", 4, "absent"],
  ["journal-append", 6, "absent"],
  ["journal-sync", 1, "present"],
  ["journal-sync", 5, "present"],
  ["acknowledge", 1, "present"],
  ["acknowledge", 4, "present"],
  ["document-write", 1, "either"],
  ["document-write", 7, "either"],
  ["document-rename", 1, "either"],
  ["document-rename", 12, "either"],
  ["document-remove", 1, "either"],
  ["document-remove", 3, "either"],
  ["document-keep", 1, "either"],
  ["document-keep", 2, "either"],
  ["document-sync", 1, "absent"],
  ["document-sync", 5, "absent"],
  ["folder-sync", 1, "absent"],
  ["folder-sync", 2, "absent"],
  ["history-write", 1, "either"],
  ["history-write", 3, "either"],
  ["history-sync", 1, "absent"],
  ["history-sync", 2, "absent"],
  ["journal-remove", 1, "absent"],
  ["journal-remove", 2, "absent"],
];

/** What a crash of the machine may leave of a document file that was not fsynced yet. */
const losses = {
  nothing: undefined,
  emptied: (path: string) => writeFile(path, ""),
  missing: (path: string) => rm(path, { force: true }),
  stale: (path: string, id: string) => writeFile(path, JSON.stringify({ id, text: "stale" })),
} as const;

describe("after SIGKILL", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder();
    const start = join(folder.path, "killed");
    await mkdir(start);
    for (const id of spoiltIds) await writeFile(join(start, `${id}.json`), spoiltText);
  });
  afterEach(() => folder[Symbol.asyncDispose]());

  it.each(crashes)(
    "at %s, time %d: the batch under way is %s, all acknowledged is there",
    async (step, time, fate) => {
      const killed = join(folder.path, "killed");
      const acknowledged = await runUntilKilled(killed, step, time);
      for (const [loss, lose] of Object.entries(losses)) {
        const copy = join(folder.path, loss);
        await cp(killed, copy, { recursive: true });
        if (lose !== undefined) await loseUnsynced(copy, lose);
        await expectWhole(copy, acknowledged, fate);
      }
    },
  );
});

async function expectWhole(folder: string, acknowledged: number, fate: Fate): Promise<void> {
  const store = openFileStore<Note>({ folder });
  const { revision, documents, unreadable } = await store.open();
  if (fate === "absent") expect(revision).toBe(acknowledged);
  else if (fate === "present") expect(revision).toBe(acknowledged + 1);
  else expect([acknowledged, acknowledged + 1]).toContain(revision);
  expect(documents).toEqual(documentsAt(revision));
  expect(unreadable.map(({ id, text }) => [id, text])).toEqual(
    spoiltAt(revision).map((id) => [id, spoiltText]),
  );

  expect(await historyOf(store)).toEqual(historyAt(revision));

  // The rest of the workload goes through, and the files alone then hold it.
  for (const [index, batch] of workload.entries())
    if (index >= revision) await store.commit({ expected: index, ...batch });
  await store.close();
  const again = openFileStore<Note>({ folder });
  await again.open();
  expect(await historyOf(again)).toEqual(historyAt(workload.length));
  await again.close();
  expect(await readDocumentFiles(folder)).toEqual(documentsAt(workload.length));
  expect(await readSpoilt(folder)).toEqual(spoiltIds.map(() => spoiltText));
}

/** What the history says of each revision, the oldest first. */
async function historyOf(store: DocumentStore<Note>) {
  const found = [];
  for await (const { revision, at, authors, changes } of store.revisions.newestFirst())
    found.unshift({ revision, at, authors, changes: [...changes()].flat() });
  return found;
}

function historyAt(revision: number) {
  return workload.slice(0, revision).map(({ record }, index) => ({ revision: index + 1, ...record }));
}

it("leaves the same files without any crash", async () => {
  const folder = await temporaryFolder();
  const lines = await run(folder.path, "none", 1);
  expect(lines).toEqual([...workload.map((_, index) => `${index + 1}`), "closed"]);
  expect(await readDocumentFiles(folder.path)).toEqual(documentsAt(workload.length));
  await folder[Symbol.asyncDispose]();
});

/** Returns the last acknowledged revision. */
async function runUntilKilled(folder: string, step: StoreStep, time: number): Promise<number> {
  const lines = await run(folder, step, time);
  expect(lines, `the step ${step} must come up ${time} times`).not.toContain("closed");
  return Number(lines.at(-1) ?? 0);
}

function run(folder: string, step: string, time: number): Promise<string[]> {
  const script = join(import.meta.dirname, "crash-child.ts");
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, folder, step, String(time)], (error, stdout, stderr) => {
      if (error !== null && error.signal !== "SIGKILL") reject(new Error(stderr, { cause: error }));
      else resolve(stdout.split("\n").filter((line) => line !== ""));
    });
  });
}

/** Until their journal file is removed, document files may be in any state after a crash of the machine. */
async function loseUnsynced(
  folder: string,
  lose: (path: string, id: string) => Promise<void>,
): Promise<void> {
  const names = await readdir(folder);
  let first = Number.POSITIVE_INFINITY;
  for (const name of names) {
    if (!name.startsWith(".journal-")) continue;
    for (const entry of parseJournal(await readFile(join(folder, name)))) {
      if (entry.kind !== "commit") continue;
      first = Math.min(first, entry.revision);
      for (const id of [...entry.puts.map((put) => put.id), ...entry.deletes]) {
        if (!id.startsWith("spoilt")) await lose(join(folder, `${id}.json`), id);
      }
    }
  }
  for (const name of names) {
    if (!name.startsWith(".history-")) continue;
    const bytes = await readFile(join(folder, name));
    const durable = bytes.subarray(0, readSegment(bytes, first - 1).end);
    await writeFile(join(folder, name), Buffer.concat([durable, Buffer.alloc(100)]));
  }
}

async function readDocumentFiles(folder: string): Promise<unknown[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json") && name !== "spoilt-3.json");
  return Promise.all(
    names.sort().map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8"))),
  );
}

async function readSpoilt(folder: string): Promise<string[]> {
  const names = ["spoilt-1.json.unreadable-1", "spoilt-2.json.unreadable-1", "spoilt-3.json"];
  return Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
}
