import { lstatSync, readdirSync } from "node:fs";
import { documentFileName, isDocumentName } from "../document-files.ts";
import { decodeStamps, isUnchanged } from "./bundle-format.ts";
import { bundleLines } from "./bundle-lines.ts";

/** What a folder holds, and how much of it the bundle has. Survives being sent between threads. */
export interface FolderScan {
  /** Names that start with a dot. */
  readonly hidden: readonly string[];
  /** Names of documents that the bundle does not have as they are. */
  readonly files: readonly string[];
  /** For each line of the bundle that may be used: the indexes of its documents that have changed since. */
  readonly lines: ReadonlyMap<number, readonly number[]>;
  /** How many documents the bundle has as they are in these lines. */
  readonly bundled: number;
}

/**
 * Lists a folder and compares its files with the bundle's stamps, reading nothing else. Synchronous; the larger half
 * of opening a large folder, so that it is worth a thread of its own. Throws the operating system's errors.
 */
export function scanFolder(folder: string): FolderScan {
  const hidden: string[] = [];
  const files = new Set<string>();
  for (const name of readdirSync(folder)) {
    if (name.startsWith(".")) hidden.push(name);
    else if (isDocumentName(name)) files.add(name);
  }
  const lines = new Map<number, readonly number[]>();
  let bundled = 0;
  let line = 0;
  for (const bytes of bundleLines(folder)) {
    const stamps = decodeStamps(bytes);
    if (stamps !== undefined) {
      const changed: number[] = [];
      for (const [at, id] of stamps.ids.entries()) {
        const name = documentFileName(id);
        const status = files.has(name)
          ? lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })
          : undefined;
        if (status !== undefined && isUnchanged(status, stamps, at)) files.delete(name);
        else changed.push(at);
      }
      lines.set(line, changed);
      bundled += stamps.ids.length - changed.length;
    }
    line += 1;
  }
  return { hidden, files: [...files], lines, bundled };
}
