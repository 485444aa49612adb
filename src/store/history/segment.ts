import { setImmediate } from "node:timers/promises";
import { concatInSlices } from "../../util/bytes-in-slices.ts";
import type { Document } from "../document-store.ts";
import { frame, unframe } from "../journal/frame.ts";
import {
  type BatchRecord,
  type DocumentChange,
  partsOf,
  type Revision,
  type RevisionHead,
} from "./revision.ts";

const NAME = /^\.history-(\d{12,})$/;
const NEWLINE = 0x0a;
/** `{`, as a head's record begins; a part's is a list. */
const OBJECT = 0x7b;

/** Name of the file whose first revision is this one. */
export function segmentName(revision: number): string {
  return `.history-${String(revision).padStart(12, "0")}`;
}

/** The first revision of a file, by its name; undefined for other files. */
export function segmentStart(name: string): number | undefined {
  const digits = name.startsWith(".") ? NAME.exec(name)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

/** The lines of a revision: its head, then its changes in parts. */
export async function encodeRevision<T extends Document>(
  revision: number,
  record: BatchRecord<T>,
): Promise<Buffer> {
  const { head, parts } = partsOf(revision, record);
  const lines = [frame(JSON.stringify(head))];
  for (const [index, part] of parts.entries()) {
    // What else waits has its turn between parts.
    if (index > 0) await setImmediate();
    lines.push(frame(JSON.stringify(part)));
  }
  return concatInSlices(lines);
}

/**
 * The whole revisions in a file's bytes, ascending up to `last`, and where they end: what follows was written during a
 * crash. A revision of which a line is damaged is left out.
 */
export function readSegment<T extends Document>(
  bytes: Buffer,
  last = Number.POSITIVE_INFINITY,
): { readonly revisions: readonly Revision<T>[]; readonly end: number } {
  const revisions: Revision<T>[] = [];
  let end = 0;
  let open: { readonly head: RevisionHead; readonly parts: Buffer[] } | undefined;
  for (let start = 0, newline = 0; start < bytes.length; start = newline + 1) {
    newline = bytes.indexOf(NEWLINE, start);
    if (newline === -1) break;
    const record = unframe(bytes.subarray(start, newline));
    if (record === undefined) open = undefined;
    else if (record[0] === OBJECT) open = { head: JSON.parse(record.toString()) as RevisionHead, parts: [] };
    else open?.parts.push(record);
    if (open === undefined) continue;
    if (open.head.revision > last) break;
    if (open.parts.length < open.head.parts) continue;
    revisions.push(revisionOf(open.head, open.parts));
    open = undefined;
    end = newline + 1;
  }
  return { revisions, end };
}

function revisionOf<T extends Document>(head: RevisionHead, parts: readonly Buffer[]): Revision<T> {
  return {
    ...head,
    *changes() {
      // Written by this module, under a checksum.
      for (const part of parts) yield JSON.parse(part.toString()) as readonly DocumentChange<T>[];
    },
  };
}
