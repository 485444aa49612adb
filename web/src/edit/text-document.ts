import { LineCounter, parseDocument, stringify } from "yaml";
import { type Draft, type Json, pathOf } from "./draft.ts";

/** How a document is written. */
export type Notation = "yaml" | "json";

/** Something that is wrong in a text, at a line from 1 on. */
export interface TextProblem {
  readonly line: number;
  readonly message: string;
}

export interface ReadText {
  /** Undefined where the text cannot be read. */
  readonly draft?: Draft;
  readonly problems: readonly TextProblem[];
  /** The line of a field, or of what it would stand in. */
  readonly lineOf: (field: string) => number;
}

/** The text of a document. */
export function written(draft: Draft, notation: Notation): string {
  return notation === "json" ? `${JSON.stringify(draft, null, 2)}\n` : stringify(draft, { lineWidth: 0 });
}

/** Reads YAML 1.2, of which JSON is a part: both know the line of each field. */
export function read(text: string, notation: Notation): ReadText {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    uniqueKeys: true,
    maxAliasCount: 0,
  } as Parameters<typeof parseDocument>[1]);
  const lineOf = (field: string): number => {
    const path = [...pathOf(field)];
    for (;;) {
      const node = path.length === 0 ? document.contents : document.getIn(path, true);
      const range = (node as { readonly range?: readonly number[] } | null | undefined)?.range;
      if (range?.[0] !== undefined) return counter.linePos(range[0]).line;
      if (path.length === 0) return 1;
      path.pop();
    }
  };
  const problems = document.errors.map(({ linePos, message }) => ({
    line: linePos?.[0].line ?? 1,
    message: message.split(" at line")[0] ?? message,
  }));
  if (problems.length > 0) return { problems, lineOf };
  if (notation === "json") {
    try {
      JSON.parse(text);
    } catch (error) {
      return {
        problems: [{ line: lineOfError(error, text), message: `no JSON: ${(error as Error).message}` }],
        lineOf,
      };
    }
  }
  const value = document.toJS({ maxAliasCount: 0 }) as Json;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { problems: [{ line: 1, message: "a document is an object: begin with `name:`" }], lineOf };
  return { draft: value as Draft, problems, lineOf };
}

function lineOfError(error: unknown, text: string): number {
  const at = /position (\d+)/.exec((error as Error).message)?.[1];
  return at === undefined ? 1 : text.slice(0, Number(at)).split("\n").length;
}
