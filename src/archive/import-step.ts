import type { KindName } from "./archive-kind.ts";

/**
 * The steps of an import, in their order, and those of taking one back; a crash can fall between any two (docs/backup.md).
 * `import-begin` and `import-undo` are the ones that decide what the next start makes of it.
 */
export type ImportStep =
  | "import-receive"
  | "import-begin"
  | `import-${KindName}`
  | "import-end"
  | "import-undo"
  | `import-remove-${KindName}`
  | "import-undone";
