import { execFile } from "node:child_process";
import { cp, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GatewrightError } from "../../src/errors.ts";
import { type FileStore, openFileStore } from "../../src/store/file-store.ts";
import type { StoreStep } from "../../src/store/store-step.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Note, note } from "./document-store.contract.ts";
import { syncedDuring } from "./synced.ts";

let root: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: string;
beforeEach(async () => {
  root = await temporaryFolder();
  folder = join(root.path, "store");
});
afterEach(() => root[Symbol.asyncDispose]());

/** A store whose medium refuses the steps in `refused`. */
async function openRefusing(retryMs = 5) {
  const refused = new Set<StoreStep>();
  const reported: GatewrightError[] = [];
  const seen: StoreStep[] = [];
  const store = openFileStore<Note>({
    folder,
    idleMs: 3_600_000,
    retryMs,
    onBackgroundError: (error) => reported.push(error),
    onStep(step) {
      seen.push(step);
      if (refused.has(step)) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO", errno: -5 });
    },
  });
  await store.open();
  return { store, refused, reported, seen };
}

/** What a crash at this moment would leave. */
async function afterCrash() {
  const copy = join(root.path, `copy-${Math.random()}`);
  await cp(folder, copy, { recursive: true, filter: (path) => !basename(path).startsWith(".tmp-") });
  const store = openFileStore<Note>({ folder: copy });
  const { revision, documents } = await store.open();
  await store.close();
  return { revision, documents };
}

const commit = (store: FileStore<Note>, expected: number, id: string) =>
  store.commit({ expected, puts: [note(id)], deletes: [] });

describe("a batch whose step is refused", () => {
  const rows: readonly (readonly StoreStep[])[] = [
    ["journal-append"],
    ["journal-append", "journal-take-back"],
    ["journal-append", "journal-take-back", "journal-create"],
    ["journal-sync"],
    ["journal-sync", "journal-create"],
    ["journal-sync", "journal-start"],
    ["journal-sync", "journal-start-sync"],
  ];

  it.each(rows)(
    "(%s %s %s) does not appear, then or after a crash, and the next one goes through",
    async (...steps) => {
      const { store, refused, seen } = await openRefusing();
      await commit(store, 0, "a");
      for (const step of steps) refused.add(step);
      for (const id of ["refused-1", "refused-2"]) {
        await expect(commit(store, 1, id)).rejects.toMatchObject({
          code: "store_unavailable",
          message: "The change could not be written to disk; nothing was changed: i/o error (EIO).",
        });
        expect(await afterCrash()).toEqual({ revision: 1, documents: [note("a")] });
      }
      expect(seen).toEqual(expect.arrayContaining([...steps]));
      refused.clear();
      expect(await commit(store, 1, "b")).toBe(2);
      expect(await afterCrash()).toEqual({ revision: 2, documents: [note("a"), note("b")] });
      await store.close();
      expect(await afterCrash()).toEqual({ revision: 2, documents: [note("a"), note("b")] });
      expect((await readdir(folder)).filter((name) => name.includes("refused"))).toEqual([]);
    },
  );

  it.each(["journal-create", "journal-start", "journal-start-sync"] as const)(
    "(%s, at the first commit) leaves the store as it was",
    async (step) => {
      const { store, refused } = await openRefusing();
      refused.add(step);
      await expect(commit(store, 0, "a")).rejects.toMatchObject({ code: "store_unavailable" });
      expect(await afterCrash()).toEqual({ revision: 0, documents: [] });
      refused.clear();
      expect(await commit(store, 0, "b")).toBe(1);
      await store.close();
      expect(await afterCrash()).toEqual({ revision: 1, documents: [note("b")] });
    },
  );

  it("is not announced to watchers", async () => {
    const { store, refused } = await openRefusing();
    const seen: number[] = [];
    store.watch(({ revision }) => seen.push(revision));
    refused.add("journal-sync");
    await commit(store, 0, "a").catch(() => undefined);
    refused.clear();
    await commit(store, 0, "b");
    expect(seen).toEqual([1]);
    await store.close();
  });
});

describe("work behind the commits that is refused", () => {
  const rows: readonly StoreStep[] = [
    "document-write",
    "document-rename",
    "document-remove",
    "document-sync",
    "folder-sync",
    "journal-create",
    "journal-start",
    "journal-start-sync",
    "journal-remove",
  ];

  it.each(rows)("(%s) loses nothing, is reported, and is made good later", async (step) => {
    const { store, refused, reported } = await openRefusing();
    await store.commit({ expected: 0, puts: [note("a"), note("b")], deletes: [] });
    await store.checkpoint();
    const expected = { revision: 2, documents: [note("a", "new"), note("c")] };
    await store.commit({ expected: 1, puts: [note("a", "new"), note("c")], deletes: ["b"] });
    refused.add(step);
    // The documents may have been written before the refusal; these are new work for the same step.
    if (step.startsWith("document-")) {
      await store.commit({ expected: 2, puts: [note("d")], deletes: ["c"] });
      expected.revision = 3;
      expected.documents = [note("a", "new"), note("d")];
    }
    await expect(store.checkpoint()).rejects.toMatchObject({
      code: "store_unavailable",
      message: "The documents could not be made durable: i/o error (EIO).",
    });
    expect(await afterCrash()).toEqual(expected);
    refused.clear();
    await store.checkpoint();
    expect((await readdir(folder)).filter((name) => name.endsWith(".json"))).toEqual(
      expected.documents.map(({ id }) => `${id}.json`),
    );
    expect((await readdir(folder)).filter((name) => name.startsWith(".journal-"))).toHaveLength(1);
    expect(await commit(store, expected.revision, "e")).toBe(expected.revision + 1);
    await store.close();
    expect(await afterCrash()).toMatchObject({ documents: [...expected.documents, note("e")] });
    for (const error of reported) expect(error.code).toBe("store_unavailable");
  });

  it.each(["document-sync", "folder-sync"] as const)(
    "(%s) makes the files be written again, since a second fsync proves nothing",
    async (step) => {
      const { store, refused, seen } = await openRefusing();
      await store.commit({ expected: 0, puts: [note("a"), note("b")], deletes: [] });
      refused.add(step);
      await expect(store.checkpoint()).rejects.toMatchObject({ code: "store_unavailable" });
      refused.clear();
      seen.length = 0;
      await store.checkpoint();
      expect(seen.filter((other) => other === "document-rename")).toHaveLength(2);
      await store.close();
    },
  );

  it("(document-keep) keeps the unreadable file where it is until that goes through", async () => {
    await mkdir(folder);
    await writeFile(join(folder, "a.json"), "spoilt {");
    const { store, refused } = await openRefusing();
    refused.add("document-keep");
    await commit(store, 0, "a");
    await expect(store.checkpoint()).rejects.toMatchObject({ code: "store_unavailable" });
    expect(await readFile(join(folder, "a.json"), "utf8")).toBe("spoilt {");
    expect(await afterCrash()).toEqual({ revision: 1, documents: [note("a")] });
    refused.clear();
    await store.checkpoint();
    expect(await readFile(join(folder, "a.json.unreadable-1"), "utf8")).toBe("spoilt {");
    await store.close();
  });

  it("is reported and tried again without being asked", async () => {
    const { store, refused, reported } = await openRefusing();
    refused.add("document-write");
    await commit(store, 0, "a");
    await expect.poll(() => reported.length).toBeGreaterThan(1);
    refused.clear();
    await expect.poll(() => readdir(folder)).toContain("a.json");
    // What comes after it needs no second failure to be written.
    await commit(store, 1, "b");
    await expect.poll(() => readdir(folder)).toContain("b.json");
    await store.close();
  });

  it("is tried again after a while, not for each commit", async () => {
    const { store, refused, reported, seen } = await openRefusing(3_600_000);
    refused.add("document-write");
    await commit(store, 0, "a");
    await expect.poll(() => reported.length).toBe(1);
    refused.clear();
    for (const revision of [1, 2, 3]) await commit(store, revision, "b");
    expect(seen.filter((step) => step === "document-write")).toHaveLength(1);
    expect(await afterCrash()).toEqual({ revision: 4, documents: [note("a"), note("b")] });
    await store.checkpoint();
    expect(reported).toHaveLength(1);
    await store.close();
  });

  it("does not keep close from finishing", async () => {
    const { store, refused, reported } = await openRefusing();
    refused.add("document-sync");
    await commit(store, 0, "a");
    await store.close();
    expect(reported.at(-1)?.message).toMatch(/in the journal only for now: i\/o error \(EIO\)/);
    expect(await afterCrash()).toEqual({ revision: 1, documents: [note("a")] });
  });
});

it("takes back the half line of a file system that has no more room, for real", async () => {
  // The shell's limit on file sizes refuses a write in the middle, as a full disk does (EFBIG in place of ENOSPC).
  const source = `import { openFileStore } from ${JSON.stringify(join(import.meta.dirname, "../../src/store/file-store.ts"))};
    const store = openFileStore({ folder: process.argv[1], idleMs: 3600000 });
    const put = (expected, id, size) => store.commit({ expected, puts: [{ id, text: "x".repeat(size) }], deletes: [] });
    await store.open();
    await put(0, "first", 3000);
    const refused = await put(1, "large", 20000).then(() => "stored", (error) => error.code + " " + error.cause.code);
    const next = await put(1, "small", 100);
    console.log(JSON.stringify({ refused, next }));
    process.kill(process.pid, "SIGKILL");`;
  const output = await new Promise<string>((resolve, reject) => {
    const command = 'ulimit -f 16 && exec "$0" --input-type=module --eval "$1" "$2"';
    execFile("sh", ["-c", command, process.execPath, source, folder], (error, stdout, stderr) => {
      if (error?.signal === "SIGKILL") resolve(stdout);
      else reject(new Error(stderr, { cause: error }));
    });
  });
  expect(JSON.parse(output)).toEqual({ refused: "store_unavailable EFBIG", next: 2 });
  const { revision, documents } = await afterCrash();
  expect({ revision, ids: documents.map(({ id }) => id) }).toEqual({ revision: 2, ids: ["first", "small"] });
});

describe("C9: a document whose file cannot be written", () => {
  it("holds up no other, and is written when it can be", async () => {
    const { store, reported } = await openRefusing();
    // A folder that is not empty cannot be replaced by a file.
    await mkdir(join(folder, "a.json", "full"), { recursive: true });
    const puts = ["a", "b", "c"].map((id) => note(id));
    await store.commit({ expected: 0, puts, deletes: [] });
    await expect.poll(() => reported.length).toBeGreaterThan(0);
    for (const id of ["b", "c"])
      expect(JSON.parse(await readFile(join(folder, `${id}.json`), "utf8"))).toEqual(note(id));
    await expect(store.checkpoint()).rejects.toMatchObject({ code: "store_unavailable" });
    expect((await afterCrash()).documents).toEqual(puts);
    await rm(join(folder, "a.json"), { recursive: true });
    await store.checkpoint();
    expect(JSON.parse(await readFile(join(folder, "a.json"), "utf8"))).toEqual(note("a"));
    expect((await readdir(folder)).filter((name) => name.startsWith(".journal-"))).toHaveLength(1);
    await store.close();
  });

  it("is reported also where it cannot be removed, and removed when it can be", async () => {
    const { store, reported } = await openRefusing();
    await commit(store, 0, "a");
    await store.checkpoint();
    await rm(join(folder, "a.json"));
    await mkdir(join(folder, "a.json"));
    await store.commit({ expected: 1, puts: [], deletes: ["a"] });
    await expect.poll(() => reported.length).toBeGreaterThan(0);
    expect(reported[0]).toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("illegal operation on a directory"),
    });
    expect(await afterCrash()).toEqual({ revision: 2, documents: [] });
    await rm(join(folder, "a.json"), { recursive: true });
    await store.checkpoint();
    await store.close();
  });
});

describe("what is acknowledged or removed", () => {
  it("is on the disk before: each file, then its folder", async () => {
    const { store, seen } = await openRefusing();
    const during = (task: () => Promise<unknown>) => syncedDuring(task, () => ` after ${seen.at(-1)}`);
    expect(await during(() => commit(store, 0, "a"))).toEqual([
      ".journal-00000001 after journal-start-sync",
      "store after journal-start-sync",
      ".journal-00000001 after journal-sync",
    ]);
    expect(await during(() => store.checkpoint())).toEqual([
      ".journal-00000002 after journal-start-sync",
      "store after journal-start-sync",
      "a.json after document-sync",
      "store after folder-sync",
      "store after journal-remove",
    ]);
    await store.commit({ expected: 1, puts: [note("b")], deletes: ["a"] });
    expect(await during(() => store.checkpoint())).toEqual([
      ".journal-00000003 after journal-start-sync",
      "store after journal-start-sync",
      "b.json after document-sync",
      "store after folder-sync",
      "store after journal-remove",
    ]);
    await store.close();
  });

  it("and what is found in the journal is, before anything builds on it", async () => {
    const { store } = await openRefusing();
    await commit(store, 0, "a");
    const copy = join(root.path, "copy");
    await cp(folder, copy, { recursive: true });
    await store.close();
    const again = openFileStore<Note>({ folder: copy, idleMs: 3_600_000 });
    expect(await syncedDuring(() => again.open())).toEqual([".journal-00000001"]);
    await again.close();
    const empty = openFileStore<Note>({ folder: copy, idleMs: 3_600_000 });
    expect(await syncedDuring(() => empty.open())).toEqual([]);
    await empty.close();
  });
});

describe("work that is done already", () => {
  it("is not done again: a checkpoint without commits, a file that was written, one that has changed since", async () => {
    const { store, seen } = await openRefusing();
    const count = (step: StoreStep): number => seen.filter((one) => one === step).length;
    await store.checkpoint();
    expect(seen).toEqual([]);
    await commit(store, 0, "a");
    await expect.poll(() => readdir(folder)).toContain("a.json");
    await store.checkpoint();
    expect([count("document-rename"), count("document-sync"), count("journal-remove")]).toEqual([1, 1, 1]);
    seen.length = 0;
    await store.checkpoint();
    await store.close();
    expect(seen).toEqual([]);
  });

  it("is left out where a later commit has another text", async () => {
    const entered = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const seen: StoreStep[] = [];
    const onStep = async (step: StoreStep): Promise<void> => {
      seen.push(step);
      if (step !== "document-write") return;
      entered.resolve();
      await release.promise;
    };
    const store = openFileStore<Note>({ folder, idleMs: 3_600_000, onStep });
    await store.open();
    await commit(store, 0, "a");
    await entered.promise;
    for (const revision of [1, 2, 3])
      await store.commit({ expected: revision, puts: [note("a", `${revision}`)], deletes: [] });
    release.resolve();
    await store.checkpoint();
    expect(seen.filter((step) => step === "document-rename")).toHaveLength(2);
    expect(await readFile(join(folder, "a.json"), "utf8")).toContain('"3"');
    await store.close();
  });
});

it("a system that takes less than it is given is given the rest", async () => {
  const { store } = await openRefusing();
  await using probe = await open(root.path, "r");
  const prototype = Object.getPrototypeOf(probe) as { write: (...args: unknown[]) => Promise<unknown> };
  const { write } = prototype;
  prototype.write = function (bytes, offset, length, position) {
    return write.call(this, bytes, offset, Math.min(Number(length), 7), position);
  };
  try {
    await commit(store, 0, "a");
    await commit(store, 1, "b");
  } finally {
    prototype.write = write;
  }
  expect(await afterCrash()).toEqual({ revision: 2, documents: [note("a"), note("b")] });
  await store.close();
});
