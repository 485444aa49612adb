/**
 * Exports 100,000 documents of 1 KB to a reader that takes its time, checks the archive, and prints the most bytes that were held
 * in buffers. Run with a heap that is smaller than the archive. Argument: a folder.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ArchiveKind } from "../../src/archive/archive-kind.ts";
import { readArchive } from "../../src/archive/archive-reader.ts";
import { Exporter } from "../../src/archive/exporter.ts";

const COUNT = 100_000;

const kind: ArchiveKind = {
  name: "ingress",
  *list() {
    for (let index = 0; index < COUNT; index++)
      yield { id: `n${index}`, text: `${index} `.repeat(1000 / (1 + String(index).length)) };
  },
  // What an importer keeps of them is its own matter.
  read: (value) => ({ id: (value as { id: string }).id }),
  put: async () => undefined,
  remove: async () => undefined,
};

const exporter = new Exporter({ kinds: [kind], setAside: () => [], version: "0", settings: [] });
const path = join(process.argv[2] ?? "", "archive.ndjson");
let most = 0;
const note = (): void => {
  most = Math.max(most, process.memoryUsage().arrayBuffers);
};
{
  await using file = await open(path, "w");
  for await (const text of exporter.archive()) {
    await nextTurn();
    await file.writeFile(text);
    note();
  }
}
async function* noted(): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(path)) {
    note();
    yield chunk as Uint8Array;
  }
}
const { documents } = await readArchive(noted(), [kind]);
process.stdout.write(`${JSON.stringify({ count: documents.get("ingress")?.length, most })}\n`);
