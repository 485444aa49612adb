import { open } from "node:fs/promises";
import { join } from "node:path";
import { readBundle } from "./bundle/bundle.ts";
import type { FolderScanner } from "./bundle/folder-scanner.ts";
import { documentFileName, documentText } from "./document-files.ts";
import type { Document, Snapshot, UnreadableDocument } from "./document-store.ts";
import {
  type Check,
  checkDocument,
  describeUnreadable,
  type FolderContent,
  readFolder,
  type Validate,
} from "./folder-reader.ts";
import { DAMAGED_SUFFIX, journalNumber } from "./journal/journal.ts";
import type { CommitRecord } from "./journal/journal-format.ts";
import { type DamagedJournal, damageText, replayJournal } from "./journal/journal-replay.ts";

/** What opening a folder finds. */
export interface Recovery<T extends Document> {
  readonly snapshot: Snapshot<T>;
  /** Document files that may differ from the journal, with their right text; undefined: no such file. */
  readonly staged: ReadonlyMap<string, string | undefined>;
  /** What the journal has, by ascending revision. */
  readonly commits: readonly CommitRecord[];
  /** Ids whose file could not be read. */
  readonly unreadableFiles: readonly string[];
  /** Numbers of the journal files, ascending. */
  readonly journalNumbers: readonly number[];
  /** Names of journal files that a checkpoint must keep. */
  readonly damagedJournals: ReadonlySet<string>;
  /** How many documents the bundle should hold otherwise. */
  readonly stale: number;
}

/**
 * Reads the documents and replays the journal over them. A scan that is under way elsewhere is waited for. Throws the
 * operating system's errors.
 */
export async function recoverFolder<T extends Document>(
  folder: string,
  check: Check<T>,
  scanner?: Pick<FolderScanner, "result">,
): Promise<Recovery<T>> {
  const { validate } = check;
  // While the other thread looks at the files.
  const index =
    scanner === undefined ? undefined : { blocks: [...readBundle(folder)], scan: await scanner.result() };
  const content = readFolder(folder, check, index);
  const unreadableFiles = [...content.unreadable.keys()];
  const { revision, commits, damaged } = replayJournal(content.journal);
  const staged = new Map<string, string | undefined>();
  for (const { puts, deletes } of commits) {
    for (const value of puts) overlay(content, folder, value, validate, staged);
    for (const id of deletes) {
      content.documents.delete(id);
      content.unreadable.delete(id);
      staged.set(id, undefined);
    }
  }
  // A commit may have been read from the page cache alone, and the next one builds on it.
  for (const { name, entries } of content.journal) {
    if (entries.some((entry) => entry.kind === "commit")) await syncFile(join(folder, name));
  }
  const unreadable = [...content.unreadable.values(), ...damageReports(content, folder, damaged)];
  return {
    snapshot: { revision, documents: byId([...content.documents.values()]), unreadable: byId(unreadable) },
    staged,
    commits,
    unreadableFiles,
    journalNumbers: content.journal.flatMap(({ name }) => journalNumber(name) ?? []),
    damagedJournals: new Set(damaged.map(({ name }) => name)),
    stale: content.unbundled + content.outdated,
  };
}

function overlay<T extends Document>(
  content: FolderContent<T>,
  folder: string,
  value: Document,
  validate: Validate<T>,
  staged: Map<string, string | undefined>,
): void {
  const { id } = value;
  const text = documentText(value);
  staged.set(id, text);
  try {
    content.documents.set(id, checkDocument(value, id, validate));
    content.unreadable.delete(id);
  } catch (error) {
    content.documents.delete(id);
    content.unreadable.set(id, describeUnreadable(id, join(folder, documentFileName(id)), error, text));
  }
}

/** Damage is reported at every opening until an operator has looked and removed the file that was kept. */
function damageReports<T extends Document>(
  content: FolderContent<T>,
  folder: string,
  damaged: readonly DamagedJournal[],
): UnreadableDocument[] {
  const kept = content.damagedBefore.map(({ name, entries }) => ({
    name,
    reason: "it was damaged at an earlier start",
    text: damageText(entries),
  }));
  return [...damaged, ...kept].map(({ name, reason, text }) => {
    const keptName = name.endsWith(DAMAGED_SUFFIX) ? name : name + DAMAGED_SUFFIX;
    const advice = `Compare it with the documents, then remove ${keptName}.`;
    const described = describeUnreadable(
      name,
      join(folder, name),
      `The journal is damaged: ${reason}. ${advice}`,
      text,
    );
    return { ...described, kind: "journal" };
  });
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.datasync();
}

function byId<D extends Document>(documents: D[]): D[] {
  return documents.sort((a, b) => (a.id < b.id ? -1 : 1));
}
