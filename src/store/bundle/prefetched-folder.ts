import { statSync } from "node:fs";
import { type FolderLock, lockFolder } from "../folder-lock.ts";
import { BUNDLE_NAME } from "./bundle-format.ts";
import { FolderScanner } from "./folder-scanner.ts";

/** A smaller bundle, of some 3,000 documents, is compared in less time than a thread takes to start. */
const SMALLEST_BUNDLE_BYTES = 1024 * 1024;

/** A store's folder that is locked, and looked at by another thread, before the store is opened. */
export interface PrefetchedFolder {
  readonly lock: FolderLock;
  readonly scanner: FolderScanner;
  /** Ends the thread and lets go of the folder. */
  close(): Promise<void>;
}

/**
 * Begins to look at a large folder while there is nothing else to do with it yet. Undefined for a small one, and where
 * something stands in the way, which is then the store's to report when it is opened.
 */
export function prefetchFolder(
  folder: string,
  smallestBytes: number = SMALLEST_BUNDLE_BYTES,
): PrefetchedFolder | undefined {
  let lock: FolderLock | undefined;
  try {
    if (!(statSync(`${folder}/${BUNDLE_NAME}`).size >= smallestBytes)) return undefined;
    // Before the scan: nobody else may change what it finds.
    const taken = lockFolder(folder);
    lock = taken;
    const scanner = new FolderScanner(folder);
    const close = async (): Promise<void> => {
      await scanner.close();
      taken.release();
    };
    return { lock, scanner, close };
  } catch {
    lock?.release();
    return undefined;
  }
}
