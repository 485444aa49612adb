import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FileStore, type FileStoreOptions, openFileStore } from "../../src/store/file-store.ts";
import { lockFolder } from "../../src/store/folder-lock.ts";
import { encodeBase, encodeCommit } from "../../src/store/journal/journal-format.ts";
import type { StoreStep } from "../../src/store/store-step.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Note, note } from "./document-store.contract.ts";

let folder: string;
const cleanups: (() => Promise<void>)[] = [];
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = join(temporary.path, "ingresses");
  cleanups.push(() => temporary[Symbol.asyncDispose]());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function opened(options: Partial<FileStoreOptions<Note>> = {}) {
  const store = openFileStore<Note>({ folder, ...options });
  const snapshot = await store.open();
  cleanups.push(() => store.close());
  return { store, snapshot };
}

async function put(store: FileStore<Note>, expected: number, ...puts: Note[]): Promise<void> {
  await store.commit({ expected, puts, deletes: [] });
}

const read = (name: string) => readFile(join(folder, name), "utf8");
const modeOf = async (name: string) => (await stat(join(folder, name))).mode & 0o777;

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
    await mkdir(folder, { mode: 0o755 });
    await chmod(folder, 0o755);
    await writeFile(join(folder, "old.json"), JSON.stringify(note("old")), { mode: 0o644 });
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.checkpoint();
    await put(store, 1, note("b"));
    await store.checkpoint();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const names = await readdir(folder);
    expect(names).toEqual(expect.arrayContaining([".lock", "a.json", "old.json"]));
    expect(await Promise.all(names.map(modeOf))).toEqual(names.map(() => 0o600));
  });

  it("of a hypeman is taken over as it is", async () => {
    const ingress = { id: "k2j4", name: "shop", rules: [], created_at: "2025-01-01T00:00:00Z" };
    await mkdir(folder);
    await writeFile(join(folder, "k2j4.json"), JSON.stringify(ingress), { mode: 0o644 });
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
    await writeFile(join(folder, "a.json"), JSON.stringify(note("a", "edited")));
    await writeFile(join(folder, "c.json"), JSON.stringify(note("c", "added")));
    const { snapshot } = await opened();
    expect(snapshot).toMatchObject({
      revision: 1,
      documents: [note("a", "edited"), note("b"), note("c", "added")],
    });
  });

  it("is swept of what a crash left half written", async () => {
    await mkdir(folder);
    await writeFile(join(folder, ".tmp-a"), "{");
    await opened();
    expect(await readdir(folder)).toEqual([".lock"]);
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
      expect(await readdir(folder)).toEqual([".lock"]);
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

    await using probe = await open(join(folder, "a.json"), "r");
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
      cleanups.push(async () => spy.mockRestore());
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

describe("a file that cannot be read", () => {
  const validate = (value: unknown): Note => {
    if (typeof value !== "object" || value === null || !("id" in value) || !("text" in value))
      throw new Error("no note");
    return { id: String(value.id), text: String(value.text) };
  };

  beforeEach(() => mkdir(folder));

  it.each([
    ["broken JSON", '{"id": "a", "host": "x.example.com"', /JSON/],
    ["no text at all", "", /JSON/],
    ["what validation refuses", '{"id": "a", "host": "x.example.com"}', /no note/],
    ["the id of another file", '{"id": "b", "text": "x.example.com"}', /id is not "a"/],
    ["null", "null", /no note/],
  ])("with %s is reported with its text, and stays untouched", async (_, text, reason) => {
    await writeFile(join(folder, "a.json"), text);
    await writeFile(join(folder, "good.json"), JSON.stringify(note("good")));
    const { store, snapshot } = await opened({ validate });
    expect(snapshot.documents).toEqual([note("good")]);
    expect(snapshot.unreadable).toEqual([
      {
        kind: "document",
        id: "a",
        path: join(folder, "a.json"),
        reason: expect.stringMatching(reason),
        text,
      },
    ]);
    await put(store, 0, note("other"));
    await store.close();
    expect(await read("a.json")).toBe(text);
  });

  it("is reported when it is not UTF-8, too large, a folder, a link, or named like no id", async () => {
    await writeFile(join(folder, "binary.json"), Buffer.from([0x7b, 0xff, 0x7d]));
    await writeFile(join(folder, "large.json"), "[".padEnd(17 * 1024 * 1024, " "));
    await mkdir(join(folder, "folder.json"));
    await writeFile(join(folder, "elsewhere"), JSON.stringify(note("link")));
    await symlink(join(folder, "elsewhere"), join(folder, "link.json"));
    await writeFile(join(folder, "a b.json"), JSON.stringify(note("a b")));
    await promisify(execFile)("mkfifo", [join(folder, "pipe.json")]);
    const { snapshot } = await opened();
    expect(snapshot.documents).toEqual([]);
    expect(snapshot.unreadable.map(({ id, reason }) => [id, reason])).toEqual([
      ["a b", "It is not an object with an id."],
      ["binary", "The file is not UTF-8 text."],
      ["folder", "It is not a regular file."],
      ["large", "The file is larger than 16777216 bytes."],
      ["link", expect.stringContaining("ELOOP")],
      ["pipe", "It is not a regular file."],
    ]);
    expect(snapshot.unreadable.find(({ id }) => id === "large")?.text).toHaveLength(1024 * 1024);
  });

  it("is none of the largest that there may be", async () => {
    const text = JSON.stringify(note("largest"));
    await writeFile(join(folder, "largest.json"), text.padEnd(16 * 1024 * 1024, " "));
    const { documents, unreadable } = (await opened()).snapshot;
    // Not compared whole: what is unreadable has a text of a megabyte.
    expect([documents, unreadable.length]).toEqual([[note("largest")], 0]);
  });

  it("is moved aside once, not what is written in its place", async () => {
    await writeFile(join(folder, "a.json"), "spoilt {");
    const { store } = await opened();
    for (const revision of [0, 1]) {
      await put(store, revision, note("a", `${revision}`));
      await store.checkpoint();
    }
    expect((await readdir(folder)).filter((name) => name.startsWith("a."))).toEqual([
      "a.json",
      "a.json.unreadable-1",
    ]);
  });

  it("is not kept where it is empty", async () => {
    await writeFile(join(folder, "a.json"), "");
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.checkpoint();
    expect((await readdir(folder)).filter((name) => name.startsWith("a."))).toEqual(["a.json"]);
  });

  it("is moved aside by a put and by a delete, each time under a new name", async () => {
    for (const text of ["first {", "second {", "third {"]) {
      await writeFile(join(folder, "a.json"), text);
      const { store, snapshot } = await opened();
      expect(snapshot.unreadable).toHaveLength(1);
      const deletes = text.startsWith("third") ? ["a"] : [];
      const puts = deletes.length === 0 ? [note("a")] : [];
      await store.commit({ expected: snapshot.revision, puts, deletes });
      await store.close();
    }
    expect((await readdir(folder)).filter((name) => name.startsWith("a."))).toEqual([
      "a.json.unreadable-1",
      "a.json.unreadable-2",
      "a.json.unreadable-3",
    ]);
    expect(await read("a.json.unreadable-2")).toBe("second {");
    expect((await opened()).snapshot.unreadable).toEqual([]);
  });

  it("is moved aside also when it is a folder", async () => {
    await mkdir(join(folder, "a.json"));
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.close();
    expect((await stat(join(folder, "a.json.unreadable-1"))).isDirectory()).toBe(true);
    expect(await read("a.json")).toContain("text of a");
  });
});

describe("the lock", () => {
  it("lets no second store in, and names this process", async () => {
    const { store } = await opened();
    const second = openFileStore<Note>({ folder });
    const refusal = {
      code: "store_unavailable",
      message: expect.stringContaining(`this process (${process.pid})`),
    };
    await expect(second.open()).rejects.toMatchObject(refusal);
    // The attempt must not have loosened the lock (closing a descriptor would).
    await expect(second.open()).rejects.toMatchObject(refusal);
    await store.close();
    await second.open();
    await second.close();
  });

  it("names another process that holds it, and is free the moment that one is killed", async () => {
    const source = `import { openFileStore } from ${JSON.stringify(join(import.meta.dirname, "../../src/store/file-store.ts"))};
      await openFileStore({ folder: process.argv[1] }).open();
      console.log("open"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    try {
      await once(child.stdout, "data");
      await expect(opened()).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringContaining(`process ${child.pid}`),
      });
    } finally {
      child.kill("SIGKILL");
      await exit;
    }
    expect((await opened()).snapshot.revision).toBe(0);
  });

  it("is released once, and is its owner's alone", async () => {
    await mkdir(folder);
    await writeFile(join(folder, ".lock"), "", { mode: 0o644 });
    const lock = lockFolder(folder);
    expect(await modeOf(".lock")).toBe(0o600);
    lock.release();
    lock.release();
    lockFolder(folder).release();
    expect(await readdir(folder)).toEqual([".lock"]);
  });

  it("cannot be taken of a folder that is not there, nor of a file that is none of ours", async () => {
    const refusal = (message: RegExp) =>
      expect.objectContaining({ code: "store_unavailable", message: expect.stringMatching(message) });
    expect(() => lockFolder(folder)).toThrow(
      refusal(/cannot be taken: no such file or directory \(ENOENT\)/),
    );
    await mkdir(folder);
    await writeFile(join(folder, ".lock"), "no database".repeat(1000));
    expect(() => lockFolder(folder)).toThrow(refusal(/cannot be taken: file is not a database/));
  });

  it("is released when opening fails", async () => {
    await mkdir(join(folder, ".journal-00000001"), { recursive: true });
    await expect(opened()).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringMatching(/^The store's folder cannot be read: .*EISDIR/),
    });
    await expect(opened()).rejects.toMatchObject({ message: expect.not.stringContaining("in use") });
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
  await mkdir(join(folder, "a.json", "full"), { recursive: true });
  const warned = once(process, "warning");
  await put(store, 0, note("a"));
  expect(await warned).toMatchObject([{ code: "store_unavailable" }]);
});

it("leaves no timer behind", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  cleanups.push(async () => void vi.useRealTimers());
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
  await mkdir(folder);
  const commitOf = (revision: number, id: string) => encodeCommit(revision, [JSON.stringify(note(id))], []);
  await writeFile(join(folder, ".journal-99999999"), Buffer.concat([encodeBase(0), await commitOf(1, "a")]));
  await writeFile(join(folder, ".journal-100000000"), Buffer.concat([encodeBase(1), await commitOf(2, "b")]));
  for (const other of [".journal-1", ".journal-00000002x", "journal-00000001"])
    await writeFile(join(folder, other), "other");
  const { store, snapshot } = await opened({ idleMs: 3_600_000 });
  expect(snapshot).toEqual({ revision: 2, documents: [note("a"), note("b")], unreadable: [] });
  expect([await modeOf(".journal-99999999"), await modeOf(".journal-100000000")]).toEqual([0o600, 0o600]);
  await put(store, 2, note("c"));
  expect(await readdir(folder)).toContain(".journal-100000001");
  await store.checkpoint();
  expect((await readdir(folder)).filter((name) => name.startsWith(".journal-")).sort()).toEqual([
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
    await writeFile(join(folder, ".journal-00000001"), journal);
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
    await writeFile(join(folder, "bad.json"), JSON.stringify(note("bad")));
    const { snapshot } = await opened({ validate });
    expect(snapshot.documents).toEqual([note("good")]);
    expect(snapshot.unreadable).toMatchObject([
      { kind: "document", id: "bad", path: join(folder, "bad.json"), reason: "It is bad." },
    ]);
    expect(snapshot.unreadable[0]?.text).toHaveLength(1024 * 1024);
    expect(snapshot.unreadable[0]?.text).toMatch(/^\{\n {2}"id": "bad"/);
  });

  it("and whose documents are good again by now: the files that could not be read are none of the report", async () => {
    await killed(note("a"));
    await writeFile(join(folder, "a.json"), "spoilt {");
    const { snapshot } = await opened();
    expect(snapshot).toMatchObject({ documents: [note("a")], unreadable: [] });
  });
});

async function journalText(): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(".journal-"));
  return (await Promise.all(names.map((name) => read(name).catch(() => "")))).join("");
}
