import { GatewrightError } from "../../errors.ts";
import type { CommitRecord, JournalEntry } from "./journal-format.ts";

/** A journal file's name and what could be read of it. */
export interface JournalFile {
  readonly name: string;
  readonly entries: readonly JournalEntry[];
}

/** Why a journal file must be kept for a human, and the text of its unreadable lines. */
export interface DamagedJournal {
  readonly name: string;
  readonly reason: string;
  readonly text: string;
}

/** What the journal adds to the document files. */
export interface Replay {
  readonly revision: number;
  /** By ascending revision. */
  readonly commits: readonly CommitRecord[];
  readonly damaged: readonly DamagedJournal[];
}

/**
 * Works out what was committed from the journal files, the oldest first. Pure. Throws `store_unavailable` for a format
 * of another version: what stands in it was acknowledged.
 *
 * Each file's base says up to which revision the older files count: a commit beyond it was refused after all (its
 * fdatasync failed). Revisions have no gaps but those that a base says, so a gap is damage, unless an unreadable line already explains it.
 */
export function replayJournal(files: readonly JournalFile[]): Replay {
  let revision: number | undefined;
  let gapIsExplained = false;
  let commits: CommitRecord[] = [];
  const damaged: DamagedJournal[] = [];

  for (const { name, entries } of files) {
    const reasons: string[] = [];
    for (const entry of entries) {
      if (entry.kind === "damage") {
        reasons.push(`the line after revision ${revision ?? "unknown"} is unreadable`);
        gapIsExplained = true;
        continue;
      }
      if (entry.kind === "foreign") throw foreignFormat(name, entry.format);
      const before = entry.kind === "base" ? entry.base : entry.revision - 1;
      if (entry.kind === "base") commits = commits.filter((commit) => commit.revision <= before);
      const isMeant = entry.kind === "base" && entry.skips === true;
      if (revision !== undefined && revision < before && !gapIsExplained && !isMeant) {
        reasons.push(`the revisions from ${revision + 1} to ${before} are missing`);
      }
      if (entry.kind === "commit") commits.push(entry);
      revision = entry.kind === "base" ? before : entry.revision;
      gapIsExplained = false;
    }
    const [reason] = reasons;
    if (reason !== undefined) damaged.push({ name, reason, text: damageText(entries) });
  }
  return { revision: revision ?? 0, commits, damaged };
}

function foreignFormat(name: string, format: unknown): GatewrightError {
  return new GatewrightError(
    "store_unavailable",
    `The journal ${name} has format ${JSON.stringify(format)}, which this version cannot read; start the version that wrote it.`,
  );
}

/** The unreadable lines of a journal file, joined. */
export function damageText(entries: readonly JournalEntry[]): string {
  return entries.flatMap((entry) => (entry.kind === "damage" ? [entry.text] : [])).join("\n");
}
