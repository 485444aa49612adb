#!/usr/bin/env node
import module from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `gatewright: Node ${process.versions.node} is too old; install Node 22.19 or newer, or have npm get one for this: npx -p node@24 -p gatewright gatewright\n`,
  );
  process.exit(1);
}
// Beside the program: the default is a folder in /tmp, where others may write.
module.enableCompileCache?.(path.join(top, ".cache"));
// npx has a shell between itself and this process; a signal to npx ends that shell, which tells nobody.
if (process.env.npm_command === "exec") {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 200).unref();
}
const program = path.join(top, "src", "cli", "main.js");
process.argv[1] = program;
await import(pathToFileURL(program).href);
