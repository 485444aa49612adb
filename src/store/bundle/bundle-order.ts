import type { BundleDraft } from "./bundle.ts";
import type { DocumentCheck } from "./document-check.ts";

/** What the process that drafts bundles is told, as JSON. */
export interface BundleOrder {
  readonly folder: string;
  readonly documentCheck?: DocumentCheck | undefined;
}

/** What it answers. */
export type BundleAnswer = BundleDraft | { readonly error: string };
