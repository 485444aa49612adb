import { appendFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStderrFile } from "../../src/caddy/stderr-file.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("the last lines are those of the process, also when it has emptied the file meanwhile", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "caddy-stderr.log");
  await appendFile(file, "of the one before\n");
  const stderr = openStderrFile(folder.path);
  stderr.close();
  expect(stderr.tail(5)).toBe("");
  await appendFile(file, "first\nsecond\n");
  expect(stderr.tail(5)).toBe("first\nsecond");
  await truncate(file);
  await appendFile(file, "third\n");
  expect(stderr.tail(5)).toBe("third");
});
