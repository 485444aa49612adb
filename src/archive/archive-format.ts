import { GatewrightError } from "../errors.ts";
import type { KindCounts } from "./archive-kind.ts";

/** The form of archives that is written here; others are refused. */
export const ARCHIVE_FORMAT = 1;

/** One line of an archive is no longer: the largest document that a store takes, and its kind. Bytes. */
export const LONGEST_LINE = 17 * 1024 * 1024;

/** A whole archive is no larger, unencrypted: bytes. */
export const LARGEST_ARCHIVE = 1024 * 1024 * 1024;

/** The first line: `{"gatewright_archive":1,…}`. */
export interface ArchiveHeader {
  readonly gatewright_archive: number;
  /** RFC 3339. */
  readonly exported_at: string;
  /** Version of the Gatewright that wrote it. */
  readonly version: string;
  /** Names of the settings that it was given. */
  readonly settings: readonly string[];
}

/** The last line. What is between is one document a line, `{"<kind>":{…}}`. */
export interface ArchiveEnd {
  readonly end: KindCounts & { readonly set_aside: number };
  /** Of every byte before this line, in hex. */
  readonly sha256: string;
}

/** An archive that cannot be used; nothing was changed. */
export function invalidArchive(reason: string, cause?: unknown): GatewrightError {
  const message = `the archive cannot be imported: ${reason}`;
  return new GatewrightError("archive_invalid", message, cause === undefined ? {} : { cause });
}
