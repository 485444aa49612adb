import { setPriority } from "node:os";
import { type BundleCheck, draftBundle } from "./bundle.ts";
import type { BundleAnswer, BundleOrder, CreateCheck } from "./checker.ts";

// The program of the process that BundleKeeper starts; not for import.
try {
  // Serving goes first.
  setPriority(0, 19);
} catch {
  // It only takes longer from others then.
}
// Nobody is left to put the bundle in place.
process.once("disconnect", () => process.exit());
process.once("message", (order: BundleOrder) => {
  answerTo(order).then(tell, (error: unknown) => tell({ error: String(error) }));
});

async function answerTo({ folder, checker }: BundleOrder): Promise<BundleAnswer> {
  let check: BundleCheck | undefined;
  if (checker !== undefined) {
    const { createCheck } = (await import(checker.module)) as { readonly createCheck: CreateCheck };
    check = { key: checker.key, validate: createCheck(checker.settings) };
  }
  return draftBundle(folder, { check });
}

function tell(answer: BundleAnswer): void {
  process.send?.(answer, () => process.exit());
}
