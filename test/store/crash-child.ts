import { writeSync } from "node:fs";
import { openFileStore } from "../../src/store/file-store.ts";
import { checkpointAfter, workload } from "./crash-workload.ts";
import type { Note } from "./document-store.contract.ts";

// node crash-child.ts <folder> <step> <n>: commits the workload, prints each acknowledged revision, and kills itself
// just before the n-th time that the step would be done.
const [folder = "", fatalStep = "", occurrence = "1"] = process.argv.slice(2);
let remaining = Number(occurrence);

const store = openFileStore<Note>({
  folder,
  idleMs: 3_600_000,
  async onStep(step) {
    if (step !== fatalStep) return;
    remaining -= 1;
    if (remaining > 0) return;
    process.kill(process.pid, "SIGKILL");
    await new Promise(() => undefined);
  },
});

let { revision } = await store.open();
for (const batch of workload) {
  revision = await store.commit({ expected: revision, ...batch });
  writeSync(1, `${revision}\n`);
  if (checkpointAfter.has(revision)) await store.checkpoint();
}
await store.close();
writeSync(1, "closed\n");
