import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Check, readFolder } from "../../src/store/folder-reader.ts";
import { textsOf, useBundleFolder, validate } from "./bundle-folder.ts";
import type { Note } from "./document-store.contract.ts";

const folder = useBundleFolder();
const { writeNote, bundle, textsInFiles } = folder;
const bundlePath = () => join(folder.path, ".bundle");

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
    const content = readFolder(folder.path, again);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect([again.asked.length, content.unbundled, content.outdated]).toEqual([0, 0, 0]);
  });

  it("is checked again by other rules, and counts as outdated", async () => {
    bundleBy(rules("a1"));
    const other = rules("b2");
    const content = readFolder(folder.path, other);
    expect(textsOf(content)).toEqual(await textsInFiles());
    expect([other.asked.length, content.unbundled, content.outdated]).toEqual([250, 0, 250]);
  });

  it("is checked again where it was written without rules, and by readers without a key", () => {
    bundle();
    const keyed = rules("a1");
    readFolder(folder.path, keyed);
    bundleBy(rules("a1"));
    const { validate: unkeyed, asked } = rules("a1");
    readFolder(folder.path, { validate: unkeyed });
    expect([keyed.asked.length, asked.length]).toEqual([250, 250]);
  });

  it("has what the rules made of a file, for the same rules only", async () => {
    await writeNote("note-100", "  spaced  ");
    bundleBy(rules("a1"));
    const same = rules("a1");
    expect(readFolder(folder.path, same).documents.get("note-100")?.text).toBe("spaced");
    expect(same.asked).toEqual([]);
    const content = readFolder(folder.path, { validate, key: "b2" });
    expect(content.documents.get("note-100")?.text).toBe("  spaced  ");
    expect(content.unbundled).toBe(1);
  });

  it("leaves out what the rules refuse, which is reported at each start", async () => {
    await writeNote("note-100", "bad");
    expect(bundleBy(rules("a1"))).toEqual({ written: 249, young: 0 });
    const content = readFolder(folder.path, rules("a1"));
    expect(content.unreadable.get("note-100")?.reason).toBe("It is bad.");
    expect(content.documents.size).toBe(249);
  });

  it("does not hide an edit from the rules", async () => {
    bundleBy(rules("a1"));
    await writeNote("note-100", "bad");
    const again = rules("a1");
    expect(readFolder(folder.path, again).unreadable.get("note-100")?.text).toContain("bad");
    expect(again.asked.length).toBe(1);
  });

  it("cannot be given another key by a changed byte", async () => {
    bundleBy(rules("a1"));
    const bytes = await readFile(bundlePath());
    bytes.write("b2", bytes.indexOf("a1"));
    await writeFile(bundlePath(), bytes);
    const other = rules("b2");
    expect(readFolder(folder.path, other).unbundled).toBe(100);
    expect(other.asked.length).toBe(250);
  });
});
