import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { exitCodes, Failure } from "./failure.ts";
import type { Io } from "./io.ts";

const ENDINGS = [".json", ".yaml", ".yml", ".ndjson"] as const;

/** A document, and the file that has it. */
export interface Read {
  readonly value: unknown;
  /** `-` is the standard input. */
  readonly path: string;
}

/**
 * The documents of files, of all files in folders, or of the standard input (`-`), in their order. Throws where there is
 * none, since with `--prune` a folder by the wrong name would delete everything; `[]` says that none is wanted.
 */
export async function readDocuments(paths: readonly string[], io: Io): Promise<readonly Read[]> {
  const documents: Read[] = [];
  let isNoneWanted = false;
  for (const path of paths.flatMap(filesOf)) {
    const text = path === "-" ? (await buffer(io.stdin)).toString() : readText(path);
    for (const value of await documentsOf(text, path)) documents.push({ value, path });
    isNoneWanted ||= /^\s*\[\s*\]\s*$/.test(text);
  }
  if (documents.length === 0 && !isNoneWanted)
    throw new Failure(
      `no document is in ${paths.map(nameOf).join(", ")} (files end in ${ENDINGS.join(", ")}); a file with [] says that none is wanted`,
      exitCodes.usage,
    );
  return documents;
}

/** What people call a path. */
export function nameOf(path: string): string {
  return path === "-" ? "the standard input" : path;
}

/** The files that a path stands for, in the order of their names. */
export function filesOf(path: string): readonly string[] {
  if (path === "-") return [path];
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, encoding: "utf8" })
      .filter((name) => ENDINGS.some((ending) => name.endsWith(ending)))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
}

/** A text is one document, a list of them, lines of JSON, or several documents of YAML. */
export async function documentsOf(text: string, path: string): Promise<readonly unknown[]> {
  if (path.endsWith(".ndjson"))
    return text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [parseJson(line, path)]));
  if (/^\s*[[{]/.test(text) && !path.endsWith(".yaml") && !path.endsWith(".yml"))
    return listed(parseJson(text, path));
  const { parseAllDocuments } = await import("yaml");
  const parsed = parseAllDocuments(text, { uniqueKeys: true });
  return [...parsed].flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined)
      throw new Failure(`${nameOf(path)}: ${error.message.trimEnd()}`, exitCodes.usage);
    const value = plainValue(document, path);
    return value === null || value === undefined ? [] : listed(value);
  });
}

/** A document as JSON has it. Throws where an alias leads back to itself, or to more than anybody writes. */
function plainValue(document: { readonly toJS: () => unknown }, path: string): unknown {
  try {
    const value = document.toJS();
    JSON.stringify(value);
    return value;
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    throw new Failure(`${nameOf(path)}: its aliases cannot be resolved: ${reason}`, exitCodes.usage);
  }
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(`${nameOf(path)}: ${(error as Error).message}`, exitCodes.usage);
  }
}
