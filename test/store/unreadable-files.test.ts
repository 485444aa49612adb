import { execFile } from "node:child_process";
import { mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { type Note, note } from "./document-store.contract.ts";
import { put, useStoreFolder } from "./store-folder.ts";

const folder = useStoreFolder();
const { opened, read } = folder;

describe("a file that cannot be read", () => {
  const validate = (value: unknown): Note => {
    if (typeof value !== "object" || value === null || !("id" in value) || !("text" in value))
      throw new Error("no note");
    return { id: String(value.id), text: String(value.text) };
  };

  beforeEach(() => mkdir(folder.path));

  it.each([
    ["broken JSON", '{"id": "a", "host": "x.example.com"', /JSON/],
    ["no text at all", "", /JSON/],
    ["what validation refuses", '{"id": "a", "host": "x.example.com"}', /no note/],
    ["the id of another file", '{"id": "b", "text": "x.example.com"}', /id is not "a"/],
    ["null", "null", /no note/],
  ])("with %s is reported with its text, and stays untouched", async (_, text, reason) => {
    await writeFile(join(folder.path, "a.json"), text);
    await writeFile(join(folder.path, "good.json"), JSON.stringify(note("good")));
    const { store, snapshot } = await opened({ validate });
    expect(snapshot.documents).toEqual([note("good")]);
    expect(snapshot.unreadable).toEqual([
      {
        kind: "document",
        id: "a",
        path: join(folder.path, "a.json"),
        reason: expect.stringMatching(reason),
        text,
      },
    ]);
    await put(store, 0, note("other"));
    await store.close();
    expect(await read("a.json")).toBe(text);
  });

  it("is reported when it is not UTF-8, too large, a folder, a link, or named like no id", async () => {
    await writeFile(join(folder.path, "binary.json"), Buffer.from([0x7b, 0xff, 0x7d]));
    await writeFile(join(folder.path, "large.json"), "[".padEnd(17 * 1024 * 1024, " "));
    await mkdir(join(folder.path, "folder.json"));
    await writeFile(join(folder.path, "elsewhere"), JSON.stringify(note("link")));
    await symlink(join(folder.path, "elsewhere"), join(folder.path, "link.json"));
    await writeFile(join(folder.path, "a b.json"), JSON.stringify(note("a b")));
    await promisify(execFile)("mkfifo", [join(folder.path, "pipe.json")]);
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
    await writeFile(join(folder.path, "largest.json"), text.padEnd(16 * 1024 * 1024, " "));
    const { documents, unreadable } = (await opened()).snapshot;
    // Not compared whole: what is unreadable has a text of a megabyte.
    expect([documents, unreadable.length]).toEqual([[note("largest")], 0]);
  });

  it("is moved aside once, not what is written in its place", async () => {
    await writeFile(join(folder.path, "a.json"), "spoilt {");
    const { store } = await opened();
    for (const revision of [0, 1]) {
      await put(store, revision, note("a", `${revision}`));
      await store.checkpoint();
    }
    expect((await readdir(folder.path)).filter((name) => name.startsWith("a."))).toEqual([
      "a.json",
      "a.json.unreadable-1",
    ]);
  });

  it("is not kept where it is empty", async () => {
    await writeFile(join(folder.path, "a.json"), "");
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.checkpoint();
    expect((await readdir(folder.path)).filter((name) => name.startsWith("a."))).toEqual(["a.json"]);
  });

  it("is moved aside by a put and by a delete, each time under a new name", async () => {
    for (const text of ["first {", "second {", "third {"]) {
      await writeFile(join(folder.path, "a.json"), text);
      const { store, snapshot } = await opened();
      expect(snapshot.unreadable).toHaveLength(1);
      const deletes = text.startsWith("third") ? ["a"] : [];
      const puts = deletes.length === 0 ? [note("a")] : [];
      await store.commit({ expected: snapshot.revision, puts, deletes });
      await store.close();
    }
    expect((await readdir(folder.path)).filter((name) => name.startsWith("a."))).toEqual([
      "a.json.unreadable-1",
      "a.json.unreadable-2",
      "a.json.unreadable-3",
    ]);
    expect(await read("a.json.unreadable-2")).toBe("second {");
    expect((await opened()).snapshot.unreadable).toEqual([]);
  });

  it("is moved aside also when it is a folder", async () => {
    await mkdir(join(folder.path, "a.json"));
    const { store } = await opened();
    await put(store, 0, note("a"));
    await store.close();
    expect((await stat(join(folder.path, "a.json.unreadable-1"))).isDirectory()).toBe(true);
    expect(await read("a.json")).toContain("text of a");
  });
});
