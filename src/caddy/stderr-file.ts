import { closeSync, fchmodSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import path from "node:path";
import type { Scrub } from "./scrub.ts";

/** Bytes from which on the file is emptied: at a start, and by Caddy itself (caddy/internal/stderr). */
export const EMPTY_AT_BYTES = 1024 * 1024;
/** Bytes of its end that are read to explain a failure. */
const TAIL_BYTES = 16 * 1024;

/** What one Caddy process writes to its standard output and error, in `caddy-stderr.log`. */
export interface StderrFile {
  /** For the child's stdio; `close` it after the spawn. */
  readonly fd: number;
  close(): void;
  /** The last lines written since the process started. */
  tail(maxLines: number): string;
}

/**
 * Opens `<folder>/caddy-stderr.log` for appending, 0600. Caddy writes there only until its configuration is loaded,
 * and when it dies; its log proper goes to the rotated caddy.log (log-settings.ts). It is a file and not a pipe since
 * Caddy outlives the manager, and would die of a pipe that nobody reads.
 */
export function openStderrFile(folder: string): StderrFile {
  const file = path.join(folder, "caddy-stderr.log");
  const fd = openSync(file, "a", 0o600);
  fchmodSync(fd, 0o600);
  if (fstatSync(fd).size > EMPTY_AT_BYTES) ftruncateSync(fd, 0);
  const begin = fstatSync(fd).size;
  return {
    fd,
    close: () => closeSync(fd),
    tail: (maxLines) => readTail(file, begin).trimEnd().split("\n").slice(-maxLines).join("\n"),
  };
}

function readTail(file: string, begin: number): string {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    // The file was removed; what matters is that the process ended.
    return "";
  }
  try {
    const { size } = fstatSync(fd);
    // Emptied meanwhile, all of it is this process's.
    const from = Math.max(size < begin ? 0 : begin, size - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    readSync(fd, buffer, 0, buffer.length, from);
    return buffer.toString("utf8");
  } finally {
    closeSync(fd);
  }
}

/** The one sentence of Caddy's last output that says why it ended, without secrets. */
export function failureReason(tail: string, scrub: Scrub): string {
  const lines = tail
    .split("\n")
    .map(plainLine)
    .filter((line) => line !== "");
  const said = lines.findLast((line) => /^(?:Error:|panic:|fatal error:)/.test(line)) ?? lines.at(-1);
  const text = scrub(
    (said ?? "it wrote nothing").replace(/^Error: /, "").replace(/^loading initial config: /, ""),
  );
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

/** Message and error of a line in Caddy's JSON form; other lines as they are. */
function plainLine(line: string): string {
  try {
    const { msg, error } = JSON.parse(line) as { readonly msg?: unknown; readonly error?: unknown };
    return [msg, error].filter((part) => typeof part === "string").join(": ");
  } catch {
    return line.trim();
  }
}
