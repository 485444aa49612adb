import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { outputAccessLog } from "../../src/caddy/access-log-output.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

/** What the stream was given. */
function textOf(stream: PassThrough): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

test("new lines are written out as they are; a file that is not there yet is waited for", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "logs", "access.log");
  const stream = new PassThrough();
  const text = textOf(stream);
  const output = await outputAccessLog({ file, stream, logger: recordingLogger() });
  await writeFile(file, '{"a":1}\n{"b"');
  await until(() => text() === '{"a":1}\n');
  await appendFile(file, ":2}\n");
  await output.close();
  expect(text()).toBe('{"a":1}\n{"b":2}\n');
});

test("a stream that nobody reads is waited for, holds up no end, and gets no part of a line", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "access.log");
  await writeFile(file, "");
  const stream = new PassThrough({ highWaterMark: 1 });
  const logger = recordingLogger();
  const output = await outputAccessLog({ file, stream, logger, mostBehindBytes: 1_000, pollMs: 20 });
  const line = (number: number) => `{"line":${number}}\n`;
  await appendFile(file, line(0));
  await until(() => stream.writableNeedDrain);
  await appendFile(file, Array.from({ length: 1_000 }, (_, index) => line(index + 1)).join(""));
  const text = textOf(stream);
  await until(() => text().endsWith(line(1_000)));
  const lines = text().split("\n").slice(0, -1);
  for (const one of lines) expect(JSON.parse(one)).toHaveProperty("line");
  await output.close();
});

test("closing ends although nobody reads the stream", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "access.log");
  await writeFile(file, "");
  const stream = new PassThrough({ highWaterMark: 1 });
  const output = await outputAccessLog({ file, stream, logger: recordingLogger(), pollMs: 20 });
  await appendFile(file, "{}\n".repeat(100));
  await until(() => stream.writableNeedDrain);
  await output.close();
  expect(stream.writableLength).toBeGreaterThan(0);
});
