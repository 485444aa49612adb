import { lstatSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { join } from "node:path";
import { GatewrightError, type Problem } from "../errors.ts";
import { removeLeftovers } from "../store/durable.ts";
import { FORMAT_FILE, writeDataFormat } from "./data-format.ts";
import { MIGRATION_FILE } from "./migration.ts";
import { isOurs, ownerOf, stepsOfOthers } from "./path-of-others.ts";

/** More are counted, not listed. */
const MOST_LISTED = 20;
/** What we write to below DATA_DIR, which may be hypeman's and hold more. */
const ourNames = [
  FORMAT_FILE,
  "ports.json",
  "ports.json.tmp",
  "followed.json",
  "import.ndjson",
  "import-undo.ndjson",
  MIGRATION_FILE,
  "caddy",
  "certificates",
  "etcd",
  "events",
  "ingresses",
  "instances",
  "tokens",
  "traffic",
  "system",
  "system/cache",
  "system/binaries",
  "system/binaries/caddy",
] as const;
/** What hypeman makes in its folder, a file system in its first one, or our command line in the home of a user who has no other. */
const foreignNames = ["guests", "images", "volumes", "builds", "lost+found", ".cache"] as const;
/** One of these says whose the folder is, whatever else it holds. */
const folderMarks = ["ingresses", "guests"] as const;
/** Folders of the system (FHS 3.0) that may be empty. */
const systemFolders: ReadonlySet<string> = new Set(
  "/ /boot /dev /etc /home /media /mnt /opt /proc /root /run /srv /sys /tmp /usr /usr/local /var /var/cache /var/lib /var/log /var/opt /var/tmp".split(
    " ",
  ),
);
/** Folders with few entries, which are always looked through. */
const SMALL = /^(?:caddy|system\/binaries\/caddy(?:\/.*)?)$/;
/** Folders that are hypeman's too. */
const sharedFolders: ReadonlySet<string> = new Set(["system", "system/binaries"]);

/**
 * Looks whether what we write to in DATA_DIR belongs to us, before anything is written: what another user made may lead
 * elsewhere, and root would write through it. Nobody else may be able to put another folder in its place, either. Links are
 * refused whoever made them; DATA_DIR itself may be one of ours. A folder that is not there yet is fine. Large
 * folders are looked through where others may write to them. A folder of the system is refused, and one that holds other
 * things and nothing of ours or of hypeman's: it would be made private. Throws `config_invalid` with every problem.
 */
export function checkDataFolder(dataDir: string): void {
  const problems: Problem[] = [];
  const refuse: Refuse = (message) => {
    problems.push({ code: "invalid_value", field: "DATA_DIR", message: `DATA_DIR: ${message}` });
  };
  const steps = stepsOfOthers(dataDir);
  for (const step of steps) refuse(step);
  const top = realOf(dataDir);
  if (steps.length === 0 && top !== undefined) {
    const foreign = foreignness(top);
    if (foreign !== undefined) refuse(foreign);
    for (const name of ourNames) checkEntry(top, name, refuse);
  }
  const [first] = problems;
  if (first === undefined) return;
  const rest = problems.length - 1;
  const more = rest === 0 ? "" : ` (and ${rest} more problem${rest === 1 ? "" : "s"})`;
  throw new GatewrightError("config_invalid", `${first.message}${more}`, {
    details: problems.slice(0, MOST_LISTED),
  });
}

/** Says that this version writes the folder, and removes what a crash left half-written. Only the process that holds the store may. */
export async function takeDataFolder(dataDir: string, version: string): Promise<void> {
  await writeDataFormat(dataDir, version);
  for (const folder of ["", "caddy", "caddy/certificates"]) await removeLeftovers(join(dataDir, folder));
}

/** Undefined where nothing can be there: making the folder then says why. */
function realOf(dataDir: string): string | undefined {
  try {
    return realpathSync(dataDir);
  } catch {
    return undefined;
  }
}

type Refuse = (message: string) => void;

/** Why the folder is none for Gatewright; undefined when it is one. */
function foreignness(top: string): string | undefined {
  const own = join(top, "gatewright");
  if (systemFolders.has(top)) return `${top} is a folder of the system; name one of its own, such as ${own}`;
  const names = namesIn(top);
  if (folderMarks.some((mark) => names.includes(mark))) return undefined;
  const known: ReadonlySet<string> = new Set([...ourNames, ...foreignNames]);
  const others = names.filter((name) => !known.has(name)).sort();
  if (others.length === 0) return undefined;
  const rest = others.length > 3 ? ` and ${others.length - 3} more` : "";
  const remedy = `name an empty folder or a new one, such as ${own}, or make ${join(top, "ingresses")} if it is to be this one`;
  return `${top} holds other things than Gatewright's (${others.slice(0, 3).join(", ")}${rest}); ${remedy}`;
}

/** Empty where it is no folder, or cannot be read: using it then says why. */
function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** @param name path below DATA_DIR */
function checkEntry(top: string, name: string, refuse: Refuse): void {
  const path = join(top, name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSymbolicLink()) refuse(`${path} is a link; replace it by what it leads to`);
  else if (!isOurs(found))
    refuse(`${path} belongs to ${ownerOf(found)}; remove it, or chown it once you trust what it holds`);
  else if (found.isDirectory() && isLookedThrough(name, found))
    for (const entry of readdirSync(path)) checkEntry(top, join(name, entry), refuse);
}

/** Others that hold a file for each ingress or certificate are, where others may write to them. */
function isLookedThrough(name: string, { mode }: Stats): boolean {
  return SMALL.test(name) || (!sharedFolders.has(name) && (mode & 0o022) !== 0);
}
