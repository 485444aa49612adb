import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFileStore } from "../../src/store/file-store.ts";
import { lockFolder } from "../../src/store/folder-lock.ts";
import type { Note } from "./document-store.contract.ts";
import { useStoreFolder } from "./store-folder.ts";

const folder = useStoreFolder();
const { opened, modeOf } = folder;

describe("the lock", () => {
  it("lets no second store in, and names this process", async () => {
    const { store } = await opened();
    const second = openFileStore<Note>({ folder: folder.path });
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
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source, folder.path], {
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
    await mkdir(folder.path);
    await writeFile(join(folder.path, ".lock"), "", { mode: 0o644 });
    const lock = lockFolder(folder.path);
    expect(await modeOf(".lock")).toBe(0o600);
    lock.release();
    lock.release();
    lockFolder(folder.path).release();
    expect(await readdir(folder.path)).toEqual([".lock"]);
  });

  it("cannot be taken of a folder that is not there, nor of a file that is none of ours", async () => {
    const refusal = (message: RegExp) =>
      expect.objectContaining({ code: "store_unavailable", message: expect.stringMatching(message) });
    expect(() => lockFolder(folder.path)).toThrow(
      refusal(/cannot be taken: no such file or directory \(ENOENT\)/),
    );
    await mkdir(folder.path);
    await writeFile(join(folder.path, ".lock"), "no database".repeat(1000));
    expect(() => lockFolder(folder.path)).toThrow(refusal(/cannot be taken: file is not a database/));
  });

  it("is released when opening fails", async () => {
    await mkdir(join(folder.path, ".journal-00000001"), { recursive: true });
    await expect(opened()).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringMatching(/^The store's folder cannot be read: .*EISDIR/),
    });
    await expect(opened()).rejects.toMatchObject({ message: expect.not.stringContaining("in use") });
  });
});
