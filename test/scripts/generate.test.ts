import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { generateTypes, withErrorCodes } from "../../scripts/generate.ts";

const read = (path: string): Promise<string> =>
  readFile(new URL(`../../src/model/${path}`, import.meta.url), "utf8");

it("src/model/openapi.json and api.ts are up to date: otherwise run `npm run generate`", async () => {
  const document = await read("openapi.json");
  expect(withErrorCodes(document)).toBe(document);
  expect(await read("api.ts")).toBe(await generateTypes(document));
});

it("puts new error codes into the document", async () => {
  const document = await read("openapi.json");
  const stale = document.replace(/\s*"hostname_in_use",/, "");
  expect(stale).not.toBe(document);
  expect(withErrorCodes(stale)).toBe(document);
});
