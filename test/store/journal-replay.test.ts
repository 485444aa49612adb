import { expect, it } from "vitest";
import type { JournalEntry } from "../../src/store/journal/journal-format.ts";
import { replayJournal } from "../../src/store/journal/journal-replay.ts";
import { note } from "./document-store.contract.ts";

const base = (revision: number): JournalEntry => ({ kind: "base", base: revision });
const commit = (revision: number, id = `n${revision}`): JournalEntry => ({
  kind: "commit",
  revision,
  puts: [note(id)],
  deletes: [],
});
const damage: JournalEntry = { kind: "damage", text: "spoilt" };

/** Replays files named `1`, `2` and so on. */
function replay(...files: JournalEntry[][]) {
  const { revision, commits, damaged } = replayJournal(
    files.map((entries, index) => ({ name: `${index + 1}`, entries })),
  );
  return { revision, ids: commits.flatMap(({ puts }) => puts.map(({ id }) => id)), damaged };
}

it.each<[string, JournalEntry[][], ReturnType<typeof replay>]>([
  ["no file", [], { revision: 0, ids: [], damaged: [] }],
  ["an empty file", [[]], { revision: 0, ids: [], damaged: [] }],
  ["a base alone", [[base(7)]], { revision: 7, ids: [], damaged: [] }],
  [
    "several files",
    [
      [base(2), commit(3)],
      [base(3), commit(4)],
    ],
    { revision: 4, ids: ["n3", "n4"], damaged: [] },
  ],
  [
    "a commit beyond the next base, which was refused",
    [
      [base(0), commit(1), commit(2, "refused")],
      [base(1), commit(2)],
    ],
    { revision: 2, ids: ["n1", "n2"], damaged: [] },
  ],
  [
    "a refused commit and nothing after it but the base",
    [[base(0), commit(1, "refused")], [base(0)]],
    { revision: 0, ids: [], damaged: [] },
  ],
  [
    "a gap between files",
    [
      [base(0), commit(1)],
      [base(3), commit(4)],
    ],
    {
      revision: 4,
      ids: ["n1", "n4"],
      damaged: [{ name: "2", reason: "the revisions from 2 to 3 are missing", text: "" }],
    },
  ],
  [
    "a gap within a file",
    [[base(0), commit(1), commit(3)]],
    {
      revision: 3,
      ids: ["n1", "n3"],
      damaged: [{ name: "1", reason: "the revisions from 2 to 2 are missing", text: "" }],
    },
  ],
  [
    "a gap that a damaged line explains, also across files",
    [
      [base(0), commit(1), damage],
      [base(2), commit(3)],
    ],
    {
      revision: 3,
      ids: ["n1", "n3"],
      damaged: [{ name: "1", reason: "the line after revision 1 is unreadable", text: "spoilt" }],
    },
  ],
])("%s", (_, files, expected) => {
  expect(replay(...files)).toEqual(expected);
});
