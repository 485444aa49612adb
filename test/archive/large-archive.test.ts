import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";

const MB = 1024 * 1024;
const folder = use(() => temporaryFolder());

it("an archive of 100,000 documents goes through a small heap, out and in", {
  timeout: 120_000,
}, async () => {
  const child = join(import.meta.dirname, "large-archive-child.ts");
  const heap = "--max-old-space-size=48";
  const { stdout } = await promisify(execFile)(process.execPath, [heap, child, folder.path]);
  const { count, most } = JSON.parse(stdout) as { count: number; most: number };
  const { size } = await stat(join(folder.path, "archive.ndjson"));
  expect([count, size > 90 * MB, most < 32 * MB]).toEqual([100_000, true, true]);
});
