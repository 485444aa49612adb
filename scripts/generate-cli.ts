/** Writes the reference into docs/cli.md, behind what stands before its marker. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { createProgram } from "../src/cli/program.ts";
import { referenceOf } from "../src/cli/reference.ts";

const path = join(import.meta.dirname, "../docs/cli.md");
/** What follows it is made of the program. */
const MARKER = "<!-- What follows is made of the program: npm run generate -->";

/** The page with the reference of the program as it is. */
export function pageOf(page: string): string {
  const { stdin, stdout, stderr, env } = process;
  const program = createProgram({
    io: { stdin, stdout, stderr, env },
    version: manifest.version,
    run: async () => undefined,
  });
  return `${page.slice(0, page.indexOf(MARKER))}${MARKER}\n\n${referenceOf(program)}`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(path, pageOf(readFileSync(path, "utf8")));
