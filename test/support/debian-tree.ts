import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { testCacheDir } from "./caddy-binary.ts";

const run = promisify(execFile);
const RELEASE = "bookworm";

/** Trees of Debian that tests begin with, as arguments of mmdebstrap(1). */
const trees = {
  /** What has a shell. */
  shell: ["--variant=essential"],
  /** What Node needs and nothing else, as in "distroless" images: packages are unpacked, not installed. */
  libraries: ["--variant=extract", "--include=libc6,libstdc++6,libgcc-s1,base-files,netbase,tzdata"],
  /** A machine that systemd runs, with what the package of Gatewright depends on. */
  machine: [
    "--variant=minbase",
    "--include=systemd,systemd-sysv,dbus,adduser,libstdc++6,iproute2,ca-certificates,procps",
  ],
} as const;

/**
 * Path of an archive with a tree of Debian's packages: made by whoever asks first, which takes up to two minutes, and kept. Needs
 * root, mmdebstrap and a mirror of Debian.
 */
export async function debianTree(name: keyof typeof trees): Promise<string> {
  const archive = join(testCacheDir, `debian-${RELEASE}-${name}.tar`);
  if (existsSync(archive)) return archive;
  await mkdir(testCacheDir, { recursive: true });
  const unfinished = join(testCacheDir, `.${process.pid}-${name}.tar`);
  await run("mmdebstrap", ["--quiet", ...trees[name], RELEASE, unfinished]);
  await rename(unfinished, archive);
  return archive;
}
