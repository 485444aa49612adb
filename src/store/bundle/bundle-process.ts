import { setPriority } from "node:os";
import { type BundleCheck, draftBundle } from "./bundle.ts";
import type { BundleAnswer, BundleOrder } from "./bundle-order.ts";
import type { CreateCheck } from "./document-check.ts";

// The program of the process that BundleUpdater starts; not for import.
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

async function answerTo({ folder, documentCheck }: BundleOrder): Promise<BundleAnswer> {
  let check: BundleCheck | undefined;
  if (documentCheck !== undefined) {
    const { createCheck } = (await import(documentCheck.module)) as { readonly createCheck: CreateCheck };
    check = { key: documentCheck.key, validate: createCheck(documentCheck.settings) };
  }
  return draftBundle(folder, { check });
}

function tell(answer: BundleAnswer): void {
  process.send?.(answer, () => process.exit());
}
