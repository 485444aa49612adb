import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";

const ROOT = 0;
const STICKY = 0o1000;
/** As Linux has it; making the folder says what is wrong then. */
const MOST_LINKS = 40;

/** Root could change everything anyway. */
export function isOurs({ uid }: Stats): boolean {
  return uid === ROOT || uid === process.geteuid?.();
}

export function ownerOf({ uid }: Stats): string {
  return `user ${uid}, and Gatewright runs as ${process.geteuid?.()}`;
}

/**
 * Where another user could put a folder of his own in the place of this one, as sshd's StrictModes looks for it: each
 * folder and link on the way must be ours or root's, and no folder may be writable by others, but for sticky ones on the
 * way, whose entries belong to who made them. Folders that are not there yet are fine.
 */
export function stepsOfOthers(path: string): readonly string[] {
  const problems = new Set<string>();
  let at = "/";
  let left = namesIn(resolve(path));
  for (let links = 0; links <= MOST_LINKS; ) {
    const found = look(at);
    const problem = found === undefined ? undefined : problemOf(at, found, left.length === 0);
    if (problem !== undefined) problems.add(problem);
    const [name, ...rest] = left;
    if (found === undefined || name === undefined) break;
    const next = join(at, name);
    const link = look(next);
    if (link?.isSymbolicLink() !== true) {
      at = next;
      left = rest;
      continue;
    }
    if (!isOurs(link)) problems.add(`${next} is a link of user ${link.uid}; name the folder itself`);
    links += 1;
    const target = readlinkSync(next);
    if (isAbsolute(target)) at = "/";
    left = [...namesIn(target), ...rest];
  }
  return [...problems];
}

function namesIn(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

/** Undefined where nothing can be there. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function problemOf(path: string, found: Stats, isLast: boolean): string | undefined {
  const isSticky = (found.mode & STICKY) !== 0;
  if (!isOurs(found))
    return `${path} belongs to ${ownerOf(found)}; choose another folder, or chown it once you trust what it holds`;
  if (isSticky && isLast)
    return `${path} is shared by users (mode ${modeOf(found)}); name a folder of its own, such as ${join(path, "gatewright")}`;
  if (isSticky || !isWritable(found)) return undefined;
  return `others may write to ${path} (mode ${modeOf(found)}); choose another folder, or chmod go-w it once you trust what it holds`;
}

/** Group 0 is root's, and one with the owner's number his alone (user private groups). */
function isWritable({ mode, uid, gid }: Stats): boolean {
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== ROOT && gid !== uid);
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8);
}
