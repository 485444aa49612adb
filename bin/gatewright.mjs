#!/usr/bin/env node
// Node 22.19 and later run TypeScript as it is; older ones hand over to the pinned Node.
import { existsSync, lstatSync, mkdirSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * Keeps what was compiled for the next start, three quarters of whose time it takes. Whoever can write there decides what
 * runs, so that it must be a folder of this user's own: root with another one's HOME (sudo) keeps nothing.
 */
function keepCompiled() {
  if (process.env.NODE_COMPILE_CACHE) return;
  const home = process.env.HOME || homedir();
  const base = process.env.XDG_CACHE_HOME || path.join(home, ".cache");
  const folders = [base, path.join(base, "gatewright"), path.join(base, "gatewright", "compile")];
  try {
    if (!isOwn(process.env.XDG_CACHE_HOME || home)) return;
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!isOwn(folder)) return;
    }
    module.enableCompileCache(folders.at(-1));
  } catch {
    // Without a home it starts more slowly.
  }
}

function isOwn(folder) {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = path.join(top, "src", "cli", "main.ts");
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (
  existsSync(path.join(top, "node_modules", "commander")) &&
  (major > 22 || (major === 22 && minor >= 19))
) {
  process.argv[1] = program;
  keepCompiled();
  await import(program);
} else {
  // In this process: what it starts then gets the signals that this one gets.
  const runner = path.join(top, "scripts", "run.mjs");
  process.argv.splice(1, 1, runner, program);
  await import(pathToFileURL(runner).href);
}
