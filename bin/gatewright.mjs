#!/usr/bin/env node
// Node 22.19 and later run TypeScript as it is; older ones hand over to the pinned Node.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = path.join(top, "src", "cli", "main.ts");
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (
  existsSync(path.join(top, "node_modules", "commander")) &&
  (major > 22 || (major === 22 && minor >= 19))
) {
  process.argv[1] = program;
  await import(program);
} else {
  const runner = path.join(top, "scripts", "run.mjs");
  const { status, signal } = spawnSync(process.execPath, [runner, program, ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  if (signal !== null) process.kill(process.pid, signal);
  process.exitCode = status ?? 1;
}
