import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { storeId } from "../../src/store/store-id.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

let folder: string;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  return () => temporary[Symbol.asyncDispose]();
});

const file = (): string => join(folder, ".id");

it("is made once, kept in a file of its owner's alone, and gone with it", async () => {
  const id = await storeId(folder);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await readFile(file(), "utf8")).toBe(`${id}\n`);
  expect(await readdir(folder)).toEqual([".id"]);
  await chmod(file(), 0o644);
  expect(await storeId(folder)).toBe(id);
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  await rm(file());
  expect(await storeId(folder)).not.toBe(id);
});

const known = "5f0c1a52-8f0e-4c36-9f0a-0a4a1d2b3c4d";
it.each([`${known}`, `${known}\n`, `  ${known}  \n\n`])("is read out of %j", async (text) => {
  await writeFile(file(), text);
  expect(await storeId(folder)).toBe(known);
});

it.each(["", "\n", "{}", known.slice(1), `${known}0`, `0${known}`, known.toUpperCase(), `${known} ${known}`])(
  "is made again in place of %j",
  async (text) => {
    await writeFile(file(), text);
    const id = await storeId(folder);
    expect(id).not.toContain(known);
    expect(await storeId(folder)).toBe(id);
  },
);

it("is not made where what is there cannot be read", async () => {
  await mkdir(file());
  await expect(storeId(folder)).rejects.toMatchObject({ code: "EISDIR" });
});
