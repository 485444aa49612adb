import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WriterRecord } from "../../src/manager/writer-record.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";

let folder: TemporaryFolder;
let path: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, "followed.json");
});
afterEach(() => folder[Symbol.asyncDispose]());

it("remembers whom it was given, for its owner alone", async () => {
  const writer = { url: "http://one.test", store: "store-1" };
  await new WriterRecord(path).write(writer);
  expect(await new WriterRecord(path).read()).toEqual(writer);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(path, "utf8")).toMatch(/\n$/);
});

it.each(["", "{", "{}", '{"url":"u"}', '{"store":"s"}', '{"url":1,"store":"s"}', '{"url":"u","store":null}'])(
  "knows nobody by %j",
  async (text) => {
    await writeFile(path, text);
    expect(await new WriterRecord(path).read()).toBeUndefined();
  },
);

it("knows nobody without a file, and throws where it cannot be read", async () => {
  expect(await new WriterRecord(path).read()).toBeUndefined();
  await mkdir(path);
  await expect(new WriterRecord(path).read()).rejects.toMatchObject({ code: "EISDIR" });
});
