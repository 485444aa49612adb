import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { isGatewrightError } from "../../errors.ts";
import type { Finding } from "../../model/api.ts";
import { checkDataFolder } from "../data-folder.ts";
import { ok, problem, warning } from "./finding.ts";

const MB = 1024 * 1024;
/** Below, a build of Caddy (some 300 MB with Go's cache) or a day of logs may not fit. */
const FEW_BYTES = 1024 * MB;
const TOO_FEW_BYTES = 100 * MB;
/** Each commit waits for one. */
const SLOW_SYNC_MS = 50;
const SYNCS = 5;
const SKEW_MS = 2_000;
/** A proxied request takes two, and a connection that idles one. */
const FEW_FILES = 65_536;
const TOO_FEW_FILES = 4_096;

/** Whose DATA_DIR is, how much room is on its disk, how long a write takes to be durable, and what time the disk has. */
export async function dataFindings({ dataDir }: Config): Promise<readonly Finding[]> {
  const refused = folderProblems(dataDir);
  if (refused.length > 0) return refused;
  const found = await stat(dataDir).catch(() => undefined);
  if (found === undefined) return [ok("data", `${dataDir} (DATA_DIR) will be made at the first start`)];
  return [
    ok("data", `${dataDir} (DATA_DIR) is this user's (${found.uid})`),
    ...(await roomFindings(dataDir)),
    ...(await syncFindings(dataDir)),
  ];
}

function folderProblems(dataDir: string): readonly Finding[] {
  try {
    checkDataFolder(dataDir);
    return [];
  } catch (error) {
    if (!isGatewrightError(error)) throw error;
    return error.details.map(({ message }) => {
      const [what = message, ...rest] = message.split("; ");
      return problem("data", what, rest.join("; ") || "name another folder as DATA_DIR");
    });
  }
}

async function roomFindings(dataDir: string): Promise<readonly Finding[]> {
  const { bavail, bsize, ffree, files } = await statfs(dataDir);
  const bytes = bavail * bsize;
  const room = `${Math.floor(bytes / MB).toLocaleString("en")} MB are free on the disk of DATA_DIR`;
  const remedy = "make room: changes are refused when the disk is full";
  const inodes =
    files > 0 && ffree / files < 0.01
      ? [problem("disk", `${ffree} inodes are left on the disk of DATA_DIR`, remedy)]
      : [];
  if (bytes < TOO_FEW_BYTES) return [problem("disk", room, remedy), ...inodes];
  if (bytes < FEW_BYTES) return [warning("disk", room, remedy), ...inodes];
  return [ok("disk", room), ...inodes];
}

/** A small file is written and removed again. */
async function syncFindings(dataDir: string): Promise<readonly Finding[]> {
  const path = join(dataDir, `.doctor.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await using file = await open(path, "wx", 0o600);
    const times: number[] = [];
    for (let round = 0; round < SYNCS; round++) {
      const startMs = performance.now();
      await file.write("x".repeat(4096));
      await file.datasync();
      times.push(performance.now() - startMs);
    }
    const beforeMs = Date.now();
    await file.utimes(new Date(), new Date()).catch(() => undefined);
    await file.write("x");
    const { mtimeMs } = await file.stat();
    return [syncFinding(times), ...skewFindings("the file system's", mtimeMs - beforeMs)];
  } catch (error) {
    const message = `${dataDir} takes no file: ${(error as Error).message}`;
    return [problem("disk", message, "make it writable for the user who runs Gatewright")];
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

function syncFinding(times: readonly number[]): Finding {
  const median = times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
  const message = `a write to DATA_DIR is durable after ${median.toFixed(1)} ms`;
  if (median < SLOW_SYNC_MS) return ok("disk", message);
  return warning("disk", message, "put DATA_DIR on a faster disk: every change waits for one");
}

/** How this machine's clock goes beside another one. Certificates and tokens are of no use to a clock that is wrong. */
export function skewFindings(whose: string, skewMs: number, mostMs: number = SKEW_MS): readonly Finding[] {
  const seconds = Math.round(skewMs / 1000);
  if (Math.abs(skewMs) <= mostMs) return [ok("clock", `the clock goes with ${whose}`)];
  const message = `${whose} clock is ${Math.abs(seconds)} s ${seconds > 0 ? "before" : "behind"} this machine's`;
  return [warning("clock", message, "have this machine's clock set by NTP (timedatectl)")];
}

/** How many files this process may open, as a Caddy that it starts may, and how many a running one has left. */
export async function fileFindings(caddyPids: readonly number[]): Promise<readonly Finding[]> {
  const remedy = "raise it: LimitNOFILE=1048576 of systemd's unit, or `ulimit -n`";
  const own = fileLimit("self");
  const findings = own === undefined ? [] : [limitFinding("a process", own, remedy)];
  for (const pid of caddyPids) {
    const limit = fileLimit(String(pid));
    const used = (await readdir(`/proc/${pid}/fd`).catch(() => [])).length;
    if (limit === undefined) continue;
    if (used > limit * 0.8)
      findings.push(problem("files", `Caddy (${pid}) has ${used} of ${limit} files open`, remedy));
    else findings.push(limitFinding(`Caddy (${pid})`, limit, remedy));
  }
  return findings;
}

function limitFinding(who: string, limit: number, remedy: string): Finding {
  const message = `${who} may open ${limit} files`;
  if (limit < TOO_FEW_FILES) return problem("files", message, remedy);
  return limit < FEW_FILES ? warning("files", message, remedy) : ok("files", message);
}

/** The hard one: Go and Node take as much as that. Undefined where there is no /proc. */
function fileLimit(process: string): number | undefined {
  try {
    const [, hard] =
      /^Max open files +\S+ +(\S+)/m.exec(readFileSync(`/proc/${process}/limits`, "utf8")) ?? [];
    return hard === "unlimited" ? Number.MAX_SAFE_INTEGER : hard === undefined ? undefined : Number(hard);
  } catch {
    return undefined;
  }
}
