import { once } from "node:events";
import { chmod, type FileHandle, mkdir, open, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { encodeBase, encodeCommit } from "../../src/store/journal/journal-format.ts";
import type { StoreStep } from "../../src/store/store-step.ts";
import { type Note, note } from "./document-store.contract.ts";
import { put, useStoreFolder } from "./store-folder.ts";

const folder = useStoreFolder();
const { opened, read, modeOf } = folder;

describe("the folder", () => {
  it("holds one readable file a document, as soon as a checkpoint is done", async () => {
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.checkpoint();
    expect(await read("a.json")).toBe('{\n  "id": "a",\n  "text": "text of a"\n}\n');
  });

  it("gets its files and its checkpoint without being asked", async () => {
    const { store } = await opened({ idleMs: 1 });
    await put(store, 0, note("a"));
    await expect.poll(() => read("a.json").catch(() => "")).toContain("text of a");
    await expect.poll(async () => (await journalText()).includes('"revision"')).toBe(false);
  });

  it("gets a checkpoint when the journal has grown, however busy the store is", async () => {
    const steps: StoreStep[] = [];
    const options = {
      idleMs: 3_600_000,
      checkpointBytes: 1000,
      onStep: (step: StoreStep) => void steps.push(step),
    };
    const { store } = await opened(options);
    for (let revision = 0; revision < 100; revision += 1)
      await put(store, revision, note("a", "x".repeat(500)));
    expect(steps.filter((step) => step === "journal-remove").length).toBeGreaterThan(2);
  });

  it("and all in it belongs to its owner alone, whatever it was before", async () => {
    await mkdir(folder.path, { mode: 0o755 });
    await chmod(folder.path, 0o755);
    await writeFile(join(folder.path, "old.json"), JSON.stringify(note("old")), { mode: 0o644 });
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.checkpoint();
    await put(store, 1, note("b"));
    await store.checkpoint();
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700);
    const names = await readdir(folder.path);
    expect(names).toEqual(expect.arrayContaining([".lock", "a.json", "old.json"]));
    expect(await Promise.all(names.map(modeOf))).toEqual(names.map(() => 0o600));
  });

  it("of a hypeman is taken over as it is", async () => {
    const ingress = { id: "k2j4", name: "shop", rules: [], created_at: "2025-01-01T00:00:00Z" };
    await mkdir(folder.path);
    await writeFile(join(folder.path, "k2j4.json"), JSON.stringify(ingress), { mode: 0o644 });
    const { store, snapshot } = await opened();
    expect(snapshot).toEqual({ revision: 0, documents: [ingress], unreadable: [] });
    await put(store, 0, note("a"));
    await store.checkpoint();
    expect(await read("k2j4.json")).toBe(JSON.stringify(ingress));
  });

  it("keeps the edits that an operator makes while the store is closed", async () => {
    const { store } = await opened();
    await put(store, 0, note("a"), note("b"));
    await store.close();
    await writeFile(join(folder.path, "a.json"), JSON.stringify(note("a", "edited")));
    await writeFile(join(folder.path, "c.json"), JSON.stringify(note("c", "added")));
    const { snapshot } = await opened();
    expect(snapshot).toMatchObject({
      revision: 1,
      documents: [note("a", "edited"), note("b"), note("c", "added")],
    });
  });

  it("is swept of what a crash left half written", async () => {
    await mkdir(folder.path);
    await writeFile(join(folder.path, ".tmp-a"), "{");
    await opened();
    expect(await readdir(folder.path)).toEqual([".lock"]);
  });

  it.each(["../evil", "a/b", "", ".", "..", ".hidden", "a\0", "ü", "x".repeat(201)])(
    "takes no document with the id %j",
    async (id) => {
      const { store } = await opened();
      await expect(put(store, 0, { id, text: "" })).rejects.toMatchObject({
        code: "internal_error",
        message: `${JSON.stringify(id)} is no document id.`,
      });
      await expect(store.commit({ expected: 0, puts: [], deletes: [id] })).rejects.toMatchObject({
        code: "internal_error",
      });
      expect(await readdir(folder.path)).toEqual([".lock"]);
    },
  );

  it("takes no batch that names a document twice", async () => {
    const { store } = await opened();
    const batch = { expected: 0, puts: [note("a")], deletes: ["a"] };
    await expect(store.commit(batch)).rejects.toMatchObject({
      code: "internal_error",
      message: "The batch names document a twice.",
    });
  });

  it("says which revision it is at to a batch that expects another", async () => {
    const { store } = await opened();
    await expect(put(store, 3, note("a"))).rejects.toMatchObject({
      message: "The store is at revision 0, not 3.",
    });
  });

  it("is opened once", async () => {
    const { store } = await opened();
    await expect(store.open()).rejects.toMatchObject({ code: "internal_error" });
  });
});

describe("a commit", () => {
  it("of any size costs one write and one fdatasync, both done before it is acknowledged", async () => {
    const steps: StoreStep[] = [];
    const { store } = await opened({ idleMs: 3_600_000, onStep: (step) => void steps.push(step) });
    await put(store, 0, note("a"));
    await store.checkpoint();
    await put(store, 1, note("a"));

    await using probe = await open(join(folder.path, "a.json"), "r");
    const calls: string[] = [];
    const fileHandle: FileHandle = Object.getPrototypeOf(probe);
    // Spies that call through: whether the system was asked cannot be seen from outside.
    for (const name of ["write", "datasync"] as const) {
      const original: (...args: never[]) => Promise<unknown> = fileHandle[name];
      const spy = vi.spyOn(fileHandle, name).mockImplementation(async function (
        this: FileHandle,
        ...args: never[]
      ) {
        const result = await original.apply(this, args);
        calls.push(name);
        return result as never;
      });
      folder.after(async () => spy.mockRestore());
    }
    steps.length = 0;
    const puts = Array.from({ length: 1000 }, (_, index) => note(`n${index}`, "x".repeat(1000)));
    await store.commit({ expected: 2, puts, deletes: ["a"] });
    expect(calls).toEqual(["write", "datasync"]);
    expect(steps.filter((step) => step.startsWith("journal-"))).toEqual(["journal-append", "journal-sync"]);
  });

  it("goes on through checkpoints that happen meanwhile", async () => {
    const { store } = await opened({ checkpointBytes: 2000 });
    const checkpoints: Promise<void>[] = [];
    for (let revision = 0; revision < 200; revision += 1) {
      if (revision % 20 === 0) checkpoints.push(store.checkpoint());
      await put(store, revision, note(`n${revision % 7}`, `${revision}`));
    }
    await Promise.all(checkpoints);
    await store.close();
    const { snapshot } = await opened();
    expect(snapshot.revision).toBe(200);
    expect(snapshot.documents.map(({ text }) => Number(text)).sort()).toEqual([
      193, 194, 195, 196, 197, 198, 199,
    ]);
  });
});

it("surfaces a watcher's error without failing the commit", async () => {
  const { store } = await opened();
  const surfaced = new Promise<unknown>((resolve) => {
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => {
      for (const other of others) process.on("uncaughtException", other);
      resolve(error);
    });
  });
  store.watch(() => {
    throw new Error("a bug");
  });
  expect(await store.commit({ expected: 0, puts: [note("a")], deletes: [] })).toBe(1);
  expect(await surfaced).toMatchObject({ message: "a bug" });
});

it("reports what fails behind the commits as a warning, where nobody asked to be told", async () => {
  const { store } = await opened();
  await mkdir(join(folder.path, "a.json", "full"), { recursive: true });
  const warned = once(process, "warning");
  await put(store, 0, note("a"));
  expect(await warned).toMatchObject([{ code: "store_unavailable" }]);
});

it("leaves no timer behind", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  folder.after(async () => void vi.useRealTimers());
  const { store } = await opened({ bundleFrom: 1 });
  await put(store, 0, note("a"));
  expect(vi.getTimerCount()).toBe(2);
  await store.close();
  expect(vi.getTimerCount()).toBe(0);
});

it("makes durable at a checkpoint what was committed before, though it is not acknowledged yet", async () => {
  const { store } = await opened({ idleMs: 3_600_000 });
  const committed = put(store, 0, note("a"));
  await store.checkpoint();
  expect(await read("a.json")).toContain("text of a");
  await committed;
});

it("reads its journal in the order of numbers, however long, and tightens its modes", async () => {
  await mkdir(folder.path);
  const commitOf = (revision: number, id: string) => encodeCommit(revision, [JSON.stringify(note(id))], []);
  await writeFile(
    join(folder.path, ".journal-99999999"),
    Buffer.concat([encodeBase(0), await commitOf(1, "a")]),
  );
  await writeFile(
    join(folder.path, ".journal-100000000"),
    Buffer.concat([encodeBase(1), await commitOf(2, "b")]),
  );
  for (const other of [".journal-1", ".journal-00000002x", "journal-00000001"])
    await writeFile(join(folder.path, other), "other");
  const { store, snapshot } = await opened({ idleMs: 3_600_000 });
  expect(snapshot).toEqual({ revision: 2, documents: [note("a"), note("b")], unreadable: [] });
  expect([await modeOf(".journal-99999999"), await modeOf(".journal-100000000")]).toEqual([0o600, 0o600]);
  await put(store, 2, note("c"));
  expect(await readdir(folder.path)).toContain(".journal-100000001");
  await store.checkpoint();
  expect((await readdir(folder.path)).filter((name) => name.startsWith(".journal-")).sort()).toEqual([
    ".journal-00000002x",
    ".journal-1",
    ".journal-100000002",
  ]);
});

describe("a journal that a killed process left", () => {
  /** A folder whose journal has the commits, and whose files do not. */
  async function killed(...puts: readonly Note[]): Promise<void> {
    const { store } = await opened({ idleMs: 3_600_000, onStep: refuseFiles });
    await put(store, 0, ...puts);
    const journal = await read(".journal-00000001");
    await store.close();
    await writeFile(join(folder.path, ".journal-00000001"), journal);
  }
  const refuseFiles = (step: StoreStep): void => {
    if (step.startsWith("document-")) throw new Error("refused");
  };

  it("is in the files and empty again without being asked", async () => {
    await killed(note("a"));
    await opened({ idleMs: 1 });
    await expect.poll(() => read("a.json").catch(() => "")).toContain("text of a");
    await expect.poll(async () => (await journalText()).includes('"revision"')).toBe(false);
  });

  it("and whose documents break a rule by now: they are reported with 1 MiB of their text", async () => {
    await killed(note("bad", "x".repeat(2 * 1024 * 1024)), note("good"));
    const validate = (value: unknown): Note => {
      if ((value as Note).id === "bad") throw new Error("It is bad.");
      return value as Note;
    };
    await writeFile(join(folder.path, "bad.json"), JSON.stringify(note("bad")));
    const { snapshot } = await opened({ validate });
    expect(snapshot.documents).toEqual([note("good")]);
    expect(snapshot.unreadable).toMatchObject([
      { kind: "document", id: "bad", path: join(folder.path, "bad.json"), reason: "It is bad." },
    ]);
    expect(snapshot.unreadable[0]?.text).toHaveLength(1024 * 1024);
    expect(snapshot.unreadable[0]?.text).toMatch(/^\{\n {2}"id": "bad"/);
  });

  it("and whose documents are good again by now: the files that could not be read are none of the report", async () => {
    await killed(note("a"));
    await writeFile(join(folder.path, "a.json"), "spoilt {");
    const { snapshot } = await opened();
    expect(snapshot).toMatchObject({ documents: [note("a")], unreadable: [] });
  });
});

async function journalText(): Promise<string> {
  const names = (await readdir(folder.path)).filter((name) => name.startsWith(".journal-"));
  return (await Promise.all(names.map((name) => read(name).catch(() => "")))).join("");
}
