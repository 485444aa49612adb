import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A block of shell that a page has for readers to paste. */
export interface DocExample {
  readonly heading: string;
  readonly script: string;
  /** What it prints, where the page says so in a block right after it. */
  readonly output?: string;
}

/** Every `sh` block of a page (`docs/tls.md`), with the `text` block that follows it. */
export function docExamples(page: string): readonly DocExample[] {
  const text = readFileSync(join(import.meta.dirname, "../..", page), "utf8");
  const block = /^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/gms;
  return [...text.matchAll(block)].map((match) => ({
    heading:
      text
        .slice(0, match.index)
        .match(/^#+ .*$/gm)
        ?.at(-1) ?? "",
    script: match[1] ?? "",
    ...(match[2] === undefined ? {} : { output: match[2] }),
  }));
}
