/**
 * `npm run mutate -- <folder> …`: changes the code of a folder in small ways, one at a time, and counts the changes that
 * the tests notice (docs/testing.md). A folder is one of src/ (`model`), done by Stryker, or a package of caddy/
 * (`caddy/dispatcher`), done by gremlins. It takes minutes to hours and is no part of CI. What was found before is kept
 * in .cache/mutation, so that a second run tries only what has changed since.
 *
 * `MUTATE_WORKERS`: how many at a time; default 1. `MUTATE_ONE_IN`: only one in so many stretches of eight
 * lines, `MUTATE_FROM`: beginning with this one; default 0, the first. `GOFLAGS` reaches the tests of Go (`-run=…`, `-skip=…`).
 */
import { existsSync, globSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type MutatedFolder, mutatedFolders } from "./mutation/folders.ts";
import { type Outcome, outcomesOfGremlins, outcomesOfStryker, report } from "./mutation/report.ts";
import { type CommandOptions, runCommand, top } from "./steps.ts";

const tool = path.join(top, "scripts/mutation");
const cache = path.join(top, ".cache/mutation");
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0";

/** Runs a program; throws when it fails, but for exit codes that only say that the score is low. */
async function demand(
  command: string,
  args: readonly string[],
  { fine = [0], ...options }: CommandOptions & { readonly fine?: readonly number[] } = {},
): Promise<void> {
  const code = await runCommand(command, args, options);
  if (!fine.includes(code)) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}

const workers = process.env["MUTATE_WORKERS"] ?? "1";
const oneIn = Number(process.env["MUTATE_ONE_IN"] ?? 1);
const from = Number(process.env["MUTATE_FROM"] ?? 0);

/** Lines that are taken together into a sample. */
const STRETCH = 8;

/** The files of the globs; with `oneIn` above 1 every so many-th stretch of their lines from `from` on, as Stryker names ranges. */
async function sampled(globs: readonly string[], oneIn: number): Promise<readonly string[]> {
  if (oneIn <= 1) return globs;
  const [left, taken] = [
    globs.filter((one) => one.startsWith("!")),
    globs.filter((one) => !one.startsWith("!")),
  ];
  const ranges: string[] = [];
  let stretch = 0;
  for (const file of globSync(taken, { cwd: top }).sort()) {
    if (left.includes(`!${file}`)) continue;
    const lines = (await readFile(path.join(top, file), "utf8")).split("\n").length;
    for (let first = 1; first <= lines; first += STRETCH)
      if (stretch++ % oneIn === from) ranges.push(`${file}:${first}-${first + STRETCH - 1}`);
  }
  return ranges;
}

/** Ranges of Go files as a diff that adds these lines, by which gremlins is told what to take. */
function asDiff(ranges: readonly string[]): string {
  let diff = "";
  let before = "";
  for (const range of ranges) {
    const [, file = "", first, last] = /([^/]+):(\d+)-(\d+)$/.exec(range) ?? [];
    if (file !== before) diff += `diff --git a/${file} b/${file}\n--- a/${file}\n+++ b/${file}\n`;
    before = file;
    const count = Number(last) - Number(first) + 1;
    diff += `@@ -${Number(first) - 1},0 +${first},${count} @@\n${"+\n".repeat(count)}`;
  }
  return diff;
}

/** Changes that gremlins makes only when told to; each of a `-` it would make twice by its own choice. */
const operators = [
  "--invert-negatives=false",
  ...["logical", "loopctrl", "assignments", "bitwise", "bwassign"].map((kind) => `--invert-${kind}`),
  "--remove-self-assignments",
];

/** Mutates a folder of src/. */
async function mutateSource(
  name: string,
  { mutate: globs, tests }: MutatedFolder,
): Promise<readonly Outcome[]> {
  if (!existsSync(path.join(tool, "node_modules"))) await demand("npm", ["ci"], { folder: tool });
  const base = path.join(cache, name.replaceAll("/", "-"));
  const [fileName, config] = [`${base}.json`, `${base}.config.json`];
  const mutate = await sampled(globs, oneIn);
  await writeFile(
    config,
    JSON.stringify({
      testRunner: "vitest",
      plugins: ["@stryker-mutator/vitest-runner"],
      mutate,
      vitest: { configFile: path.join(tool, "vitest.config.ts"), related: false },
      coverageAnalysis: "perTest",
      // What is computed when a module is loaded, tables of constants above all: each would cost a run of all tests.
      ignoreStatic: true,
      reporters: ["progress-append-only", "json"],
      jsonReporter: { fileName },
      incremental: true,
      incrementalFile: `${base}.incremental.json`,
      tempDirName: path.join(cache, "sandbox"),
      ignorePatterns: ["/bench", "/caddy", "/.cache"],
      // TypeScript 7 has no programming interface, with which Stryker would rewrite tsconfig.json for its sandbox.
      tsconfigFile: "none.json",
      // A machine that is busy must not be taken for a change that never ends.
      timeoutMS: 60_000,
      timeoutFactor: 4,
      concurrency: Number(workers),
    }),
  );
  process.env["MUTATION_TESTS"] = tests.join(",");
  await demand(process.execPath, [
    path.join(tool, "node_modules/@stryker-mutator/core/bin/stryker.js"),
    "run",
    config,
  ]);
  return outcomesOfStryker(await readFile(fileName, "utf8"), oneIn > 1 ? mutate : undefined);
}

/** Tests of other packages that a package of caddy/ is tested by, beside its own. */
const testedBy: { readonly [name: string]: readonly string[] } = {
  "caddy/app": ["dispatcher"],
  "caddy/listeners": ["handover"],
};

/** Mutates a package of caddy/. */
async function mutateGo(name: string): Promise<readonly Outcome[]> {
  const folder = path.join(top, "caddy");
  const [base, pack] = [path.join(cache, name.replaceAll("/", "-")), name.slice("caddy/".length)];
  const others = (testedBy[name] ?? []).map((one) => `./${one}`);
  const args = ["unleash", `./${pack}`, "--output", `${base}.json`, "--workers", workers, ...operators];
  // A machine that is busy must not be taken for a change that never ends.
  args.push("--timeout-coefficient", "10");
  if (oneIn > 1) {
    args.push("--diff", "sample");
    await writeFile(`${base}.diff`, asDiff(await sampled([`${name}/*.go`], oneIn)));
  }
  if (others.length > 0) args.push("--coverpkg", `./${pack}`);
  await demand("go", ["install", gremlins], { environment: { GOBIN: cache } });
  await demand(path.join(cache, "gremlins"), args, {
    folder,
    environment: {
      MUTATION_PACKAGE: pack,
      MUTATION_PACKAGES: others.join(" "),
      MUTATION_SAMPLE: `${base}.diff`,
      MUTATION_TOP: top,
      // What vet finds, no test has noticed.
      GOFLAGS: `${process.env["GOFLAGS"] ?? ""} -vet=off -ldflags=-w`,
      PATH: `${path.join(tool, "bin")}:${process.env["PATH"]}`,
    },
    fine: [0, 1],
  });
  return outcomesOfGremlins(await readFile(`${base}.json`, "utf8"), name);
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => mutatedFolders[name] === undefined && !name.startsWith("caddy/"));
if (names.length === 0 || unknown.length > 0) {
  console.error(
    `npm run mutate -- <folder> …, of ${Object.keys(mutatedFolders).join(", ")}, caddy/<package>`,
  );
  process.exit(2);
}
await mkdir(cache, { recursive: true });
for (const name of names) {
  const folder = mutatedFolders[name];
  const outcomes = folder === undefined ? await mutateGo(name) : await mutateSource(name, folder);
  console.log(report(name, outcomes));
}
