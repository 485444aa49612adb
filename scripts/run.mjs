/**
 * Runs a TypeScript file of this repository: `node scripts/run.mjs [--dashboard] <file.ts> [arguments]`.
 *
 * Works on Node 18 or newer with nothing installed: installs the dependencies when they are missing or stale, then
 * hands over to the pinned Node (the npm package `node`), or to the running one where that is new enough and the
 * pinned one is missing. What is for development is left out where Gatewright itself is to run and this Node is new enough for
 * it. Arguments, signals, stdio and the exit code pass through.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import module from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Older ones lack what this file itself uses. */
const oldestNode = 18;
// `import.meta.dirname` is of Node 20.11.
const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(top, "node_modules");
const stampPath = path.join(modules, ".gatewright-lock");
const pinnedNode = path.join(modules, ".bin", "node");
/** Lines at each end of npm's output that are kept to explain a failure. */
const keptLines = 20;
/** From 22.18 on Node runs TypeScript files directly; undici 8 wants this one. */
const minimumNode = [22, 19];

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** A digest of all that decides what belongs into node_modules; other changes of package.json cost no installation. */
function wantedDigest() {
  const manifest = readJson(path.join(top, "package.json"));
  const { dependencies, optionalDependencies, devDependencies, overrides, allowScripts } = manifest;
  return createHash("sha256")
    .update(JSON.stringify([dependencies, optionalDependencies, devDependencies, overrides, allowScripts]))
    .update(readFileSync(path.join(top, "package-lock.json")))
    .digest("hex");
}

/** Whether somebody's own `npm install` or `npm ci` left exactly what package-lock.json says, or what of it is for `all`. */
function matchesLockFile(all) {
  try {
    const present = readJson(path.join(modules, ".package-lock.json")).packages;
    const wanted = readJson(path.join(top, "package-lock.json")).packages;
    return (
      Object.entries(wanted).every(
        ([name, entry]) => name === "" || entry.optional || (entry.dev && !all) || name in present,
      ) &&
      Object.entries(present).every(([name, entry]) => {
        const locked = wanted[name];
        return locked?.version === entry.version && locked?.integrity === entry.integrity;
      })
    );
  } catch {
    return false;
  }
}

/** What the stamp says when everything is there, or without what is for development. */
const stampOf = (digest, all) => (all ? digest : `${digest} production`);

function isInstalled(digest, all) {
  try {
    const stamp = readFileSync(stampPath, "utf8");
    if (stamp === stampOf(digest, true) || (!all && stamp === stampOf(digest, false))) return true;
  } catch {
    // Nothing was installed here, or by somebody else.
  }
  // What is wanted may be there though it is wanted otherwise: as a dependency that was one for development before.
  if (!matchesLockFile(all) || !runnableNode()) return false;
  try {
    writeFileSync(stampPath, stampOf(digest, all));
  } catch {
    // A tree owned by somebody else; comparing again next time is only slower.
  }
  return true;
}

/**
 * Runs `work` while no other process does the same in this tree. The lock is a listening abstract socket of Linux:
 * the kernel frees it whatever way its holder ends, so none is ever stale. Other systems go without.
 */
async function exclusively(work) {
  if (process.platform !== "linux") return work();
  const name = `\0gatewright-install-${createHash("sha256").update(modules).digest("hex").slice(0, 32)}`;
  for (;;) {
    const waiting = new Set();
    const server = net.createServer((socket) => waiting.add(socket.on("error", () => {})));
    const taken = await new Promise((resolve, reject) => {
      server.once("listening", () => resolve(false));
      server.once("error", (error) => (error.code === "EADDRINUSE" ? resolve(true) : reject(error)));
      server.listen(name);
    });
    if (!taken) {
      try {
        return await work();
      } finally {
        server.close();
        for (const socket of waiting) socket.destroy();
      }
    }
    say("another start is installing the dependencies; waiting for it");
    await new Promise((resolve) => net.connect(name).on("error", resolve).on("close", resolve).resume());
  }
}

function say(message) {
  process.stderr.write(`gatewright: ${message}\n`);
}

/** `npm ci`, with or without what is for development: quiet but for a line each five seconds, and npm's last lines when it fails. */
async function install(all) {
  const began = performance.now();
  const seconds = () => `${Math.round((performance.now() - began) / 1000)} s`;
  // Measured with an empty cache of npm: 28 s and 54 s.
  const usual = all ? "a minute" : "half a minute";
  say(
    `installing the dependencies (npm ci); this happens after a clone and when package-lock.json changed, and takes about ${usual}`,
  );
  // npm names itself to its scripts; beside it, `npm` is looked for on the PATH.
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  // Whatever NODE_ENV says; the pinned Node comes by an install script.
  const flags = [
    all ? "--include=dev" : "--omit=dev",
    "--include=optional",
    "--ignore-scripts=false",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
  ];
  const child = spawn(command, [...first, "ci", ...flags], { cwd: top, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ticker = setInterval(() => say(`… still installing, ${seconds()}`), 5000);
  const code = await new Promise((resolve) => {
    child.once("error", (error) =>
      resolve(error.code === "ENOENT" ? "npm is not on the PATH" : error.message),
    );
    child.once("close", (exitCode, signal) => resolve(exitCode ?? signal));
  });
  clearInterval(ticker);
  if (code !== 0) {
    process.stderr.write(`${shorten(output.trim().split("\n")).join("\n")}\n`);
    throw new Error(`npm ci failed (${code}). Run it by hand in ${top}, then start again.`);
  }
  say(`dependencies installed in ${seconds()}`);
}

/** The first and the last lines: npm names its own errors first, and those of install scripts last. */
function shorten(lines) {
  if (lines.length <= 2 * keptLines) return lines;
  return [...lines.slice(0, keptLines), "…", ...lines.slice(-keptLines)];
}

/** The Node that runs the file: the pinned one, or this one where that is missing and this is new enough. */
function runnableNode() {
  if (existsSync(pinnedNode)) return pinnedNode;
  return isNewEnough() ? process.execPath : undefined;
}

/** Whether this Node can run Gatewright. */
function isNewEnough() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  return major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1]);
}

/** Replaces this process where Node can (from 22.15 on), else starts a child and passes signals and exit code on. */
function handOver(node, argv, env) {
  if (typeof process.execve === "function") return process.execve(node, [node, ...argv], env);
  const child = spawn(node, argv, { stdio: "inherit", env });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"]) {
    // A signal to the whole process group reaches the child by itself, and npm passes it on as well: one is enough.
    let passedAt = Number.NEGATIVE_INFINITY;
    process.on(signal, () => {
      if (performance.now() - passedAt < 1000) return;
      passedAt = performance.now();
      child.kill(signal);
    });
  }
  child.once("error", (error) => {
    say(`${node} cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => {
    if (code !== null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exit(128 + (os.constants.signals[signal] ?? 0));
  });
}

/** Brings node_modules to what package.json and package-lock.json say. */
async function ensureInstalled(all) {
  const digest = wantedDigest();
  if (isInstalled(digest, all)) return;
  await exclusively(async () => {
    if (isInstalled(digest, all)) return;
    await install(all);
    mkdirSync(modules, { recursive: true });
    writeFileSync(stampPath, stampOf(digest, all));
  });
}

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  say(
    `Node ${process.versions.node} is too old: start with Node ${oldestNode} or newer; the one that runs Gatewright is installed beside it`,
  );
  process.exit(1);
}
const wantsDashboard = process.argv[2] === "--dashboard";
const [file, ...rest] = process.argv.slice(wantsDashboard ? 3 : 2);
if (file === undefined) {
  say("usage: node scripts/run.mjs <file.ts> [arguments]");
  process.exit(2);
}
try {
  const isProgram = path.resolve(file).startsWith(path.join(top, "src") + path.sep);
  await ensureInstalled(!isProgram || !isNewEnough());
} catch (error) {
  say(error.message);
  process.exit(1);
}
const script = realpathSync(file);
const node = runnableNode();
const cache = path.join(top, ".cache", "compile");
if (wantsDashboard && node !== undefined) (await import("./build-beside.mjs")).buildBeside(node);
if (node === undefined) {
  say(
    `Node ${process.versions.node} is too old, and the pinned one is missing: remove node_modules and start again`,
  );
  process.exit(1);
} else if (
  node === process.execPath ||
  process.versions.node === readJson(path.join(top, "package.json")).devDependencies.node
) {
  module.enableCompileCache?.(cache);
  // Threads have it from there only.
  process.env.NODE_COMPILE_CACHE ??= cache;
  process.argv.splice(1, process.argv.length, script, ...rest);
  await import(pathToFileURL(script).href);
} else {
  handOver(node, [script, ...rest], { NODE_COMPILE_CACHE: cache, ...process.env });
}
