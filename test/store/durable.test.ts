import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import {
  ensurePrivateFolder,
  removeLeftovers,
  storeUnavailable,
  syncFolder,
  writeDurably,
} from "../../src/store/durable.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { syncedDuring } from "./synced.ts";

let folder: string;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  return () => temporary[Symbol.asyncDispose]();
});

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe("writeDurably", () => {
  it("writes a new file for its owner alone", async () => {
    const path = join(folder, "config.json");
    await writeDurably(path, "{}");
    expect(await readFile(path, "utf8")).toBe("{}");
    expect(await modeOf(path)).toBe(0o600);
  });

  it("replaces content and a wider mode, and leaves nothing else", async () => {
    const path = join(folder, "config.json");
    await writeFile(path, "old", { mode: 0o644 });
    await writeDurably(path, Buffer.from("new"));
    expect(await readFile(path, "utf8")).toBe("new");
    expect(await modeOf(path)).toBe(0o600);
    expect(await readdir(folder)).toEqual(["config.json"]);
  });

  it("gives the mode that is asked for", async () => {
    await writeDurably(join(folder, "run.sh"), "", { mode: 0o700 });
    expect(await modeOf(join(folder, "run.sh"))).toBe(0o700);
  });

  it("refuses with store_unavailable and no path in the message, and leaves no temporary file", async () => {
    await mkdir(join(folder, "taken"));
    await writeFile(join(folder, "taken", "file"), "");
    const refused = writeDurably(join(folder, "taken"), "text");
    await expect(refused).rejects.toMatchObject({
      code: "store_unavailable",
      message: "taken could not be written: illegal operation on a directory (EISDIR).",
    });
    expect(await readdir(folder)).toEqual(["taken"]);
    await expect(writeDurably(join(folder, "none", "file"), "")).rejects.toMatchObject({
      code: "store_unavailable",
    });
  });
});

it("writeDurably syncs the file, then the folder that it was renamed in", async () => {
  const synced = await syncedDuring(() => writeDurably(join(folder, "config.json"), "{}"));
  expect(synced).toEqual([expect.stringMatching(/^\.config\.json\.[0-9a-f]{12}\.tmp$/), basename(folder)]);
});

describe("ensurePrivateFolder", () => {
  it("makes the folder and its parents with mode 0700", async () => {
    await ensurePrivateFolder(join(folder, "a", "b"));
    expect([await modeOf(join(folder, "a")), await modeOf(join(folder, "a", "b"))]).toEqual([0o700, 0o700]);
  });

  it("closes one that was open to others, and leaves its parent alone", async () => {
    await mkdir(join(folder, "a", "b"), { recursive: true });
    await chmod(join(folder, "a"), 0o755);
    await chmod(join(folder, "a", "b"), 0o755);
    await ensurePrivateFolder(join(folder, "a", "b"));
    expect([await modeOf(join(folder, "a")), await modeOf(join(folder, "a", "b"))]).toEqual([0o755, 0o700]);
  });

  it("is made by one of several that want it at once, for all", async () => {
    const path = join(folder, "a", "b", "c");
    await Promise.all(Array.from({ length: 8 }, () => ensurePrivateFolder(path)));
    expect(await modeOf(path)).toBe(0o700);
  });

  it("refuses a file", async () => {
    await writeFile(join(folder, "file"), "");
    // C11: mkdir's own `recursive` never comes back from /proc.
    await expect(ensurePrivateFolder("/proc/gatewright/x")).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("ENOENT"),
    });
    await expect(ensurePrivateFolder(join(folder, "file"))).rejects.toMatchObject({
      code: "store_unavailable",
    });
  });
});

describe("syncFolder", () => {
  it("takes a folder and refuses one that is not there", async () => {
    await syncFolder(folder);
    await expect(syncFolder(join(folder, "none"))).rejects.toMatchObject({
      code: "store_unavailable",
      message: "The folder none could not be made durable: no such file or directory (ENOENT).",
    });
    // A file system without it.
    await syncFolder("/proc");
  });
});

it("storeUnavailable keeps an error that is one already", () => {
  const error = storeUnavailable("first", new Error("reason"));
  expect(error.message).toBe("first: reason.");
  expect(storeUnavailable("second", error)).toBe(error);
  expect(storeUnavailable("other", new GatewrightError("store_conflict", "reason")).message).toBe(
    "other: reason.",
  );
});

it("storeUnavailable says what the system said, without its paths", async () => {
  const reasonOf = (cause: unknown): string => storeUnavailable("it failed", cause).message;
  const failure = (attempt: Promise<unknown>): Promise<unknown> => attempt.catch((error: unknown) => error);
  expect(reasonOf(await failure(readFile(join(folder, "none"))))).toBe(
    "it failed: no such file or directory (ENOENT).",
  );
  // Node's own errors of the file system have the number without its sign.
  expect(reasonOf(await failure(rm(folder)))).toBe(
    "it failed: illegal operation on a directory (ERR_FS_EISDIR).",
  );
  expect(reasonOf(Object.assign(new Error("in words"), { code: "ERR_OTHER" }))).toBe("it failed: in words.");
  expect(reasonOf(Object.assign(new Error("in words"), { errno: -2 }))).toBe("it failed: in words.");
  expect(reasonOf("in words")).toBe("it failed: in words.");
});

describe("C9: what a killed process left of its writing", () => {
  it("goes, and nothing else does", async () => {
    const names = [
      ".token.0123456789ab.tmp",
      ".key.pem.abcdef012345.tmp",
      ".new.0123456789ab.tmp",
      "kept.tmp",
      ".env",
    ];
    for (const name of names) {
      await writeFile(join(folder, name), "secret");
      if (!name.startsWith(".new")) await utimes(join(folder, name), 1, 1);
    }
    await mkdir(join(folder, ".folder.0123456789ab.tmp"));
    await utimes(join(folder, ".folder.0123456789ab.tmp"), 1, 1);
    await removeLeftovers(folder);
    expect((await readdir(folder)).sort()).toEqual([
      ".env",
      ".folder.0123456789ab.tmp",
      ".new.0123456789ab.tmp",
      "kept.tmp",
    ]);
    await removeLeftovers(join(folder, "missing"));
  });
});
