import type { KeyValue } from "./wire.ts";

/** The last commit of a set, and how far back the log goes. */
export interface Head {
  /** 0: there was no commit yet. */
  readonly revision: number;
  /** Of the commit; "" for none. */
  readonly id: string;
  /** Bytes of all commits until now, about. */
  readonly bytes: number;
  /** Revisions with the bytes until before them, from the oldest that the log has: it is cut at one of them. */
  readonly marks: readonly (readonly [revision: number, bytes: number])[];
  /** etcd's revision of the commit; 0 for none. */
  readonly modRevision: number;
}

/** Of a set without a commit. */
export const noHead: Head = { revision: 0, id: "", bytes: 0, marks: [], modRevision: 0 };

/** In so many pieces the log is cut. */
const PIECES = 16;

export function readHead(item: KeyValue | undefined): Head {
  if (item === undefined) return noHead;
  const { bytes = 0, id, marks = [], revision } = JSON.parse(item.value.toString()) as Partial<Head>;
  if (typeof revision !== "number" || typeof id !== "string") throw new TypeError(`${item.key} is no head`);
  return { revision, id, bytes, marks, modRevision: item.modRevision };
}

/** The head after a commit. `dropped`: the log's first revision that stays, where older ones are to go. Pure. */
export function nextHead(
  head: Head,
  commit: { readonly id: string; readonly bytes: number },
  keptBytes: number,
): { readonly head: Omit<Head, "modRevision">; readonly dropped: number | undefined } {
  const revision = head.revision + 1;
  const bytes = head.bytes + commit.bytes;
  const marks = [...head.marks];
  const last = marks.at(-1);
  if (last === undefined || head.bytes - last[1] >= keptBytes / PIECES) marks.push([revision, head.bytes]);
  let dropped: number | undefined;
  for (let second = marks[1]; second !== undefined && bytes - second[1] >= keptBytes; second = marks[1]) {
    marks.shift();
    dropped = second[0];
  }
  return { head: { revision, id: commit.id, bytes, marks }, dropped };
}
