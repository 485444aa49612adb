import { useEffect, useRef, useState } from "preact/hooks";
import type { Draft } from "./draft.ts";
import type { Notation, ReadText, TextProblem } from "./text-document.ts";

export interface DraftText {
  readonly notation: Notation;
  readonly text: string;
  readonly problems: readonly TextProblem[];
  readonly lineOf: (field: string) => number;
  readonly onText: (text: string) => void;
}

type Reader = typeof import("./text-document.ts");

/** The draft as a text, while it is shown so. What cannot be read yet stays a text, and the draft what it was. */
export function useText(
  draft: Draft,
  notation: Notation | undefined,
  onDraft: (draft: Draft) => void,
): DraftText {
  const [reader, setReader] = useState<Reader>();
  const [state, setState] = useState<{
    readonly text: string;
    readonly of: Draft;
    readonly read: ReadText;
    readonly notation: Notation;
  }>();
  // Drafts that were read from the text: it is theirs already, and is not rewritten while somebody types.
  const ours = useRef(new WeakSet<Draft>());
  useEffect(() => {
    // The parser is as large as a third of the page: who writes no text does not wait for it.
    if (notation !== undefined && reader === undefined) void import("./text-document.ts").then(setReader);
  }, [notation, reader]);
  useEffect(() => {
    if (reader === undefined || notation === undefined) return;
    setState((old) => {
      if (old?.notation === notation && (old.of === draft || ours.current.has(draft))) return old;
      const text = reader.written(draft, notation);
      return { text, of: draft, read: reader.read(text, notation), notation };
    });
  }, [reader, draft, notation]);
  const onText = (text: string): void => {
    if (reader === undefined || notation === undefined) return;
    const read = reader.read(text, notation);
    if (read.draft !== undefined) ours.current.add(read.draft);
    setState({ text, of: read.draft ?? draft, read, notation });
    if (read.draft !== undefined) onDraft(read.draft);
  };
  const isShown = notation !== undefined;
  return {
    notation: notation ?? "yaml",
    text: state?.text ?? "",
    problems: isShown ? (state?.read.problems ?? []) : [],
    lineOf: (field) => state?.read.lineOf(field) ?? 1,
    onText,
  };
}
