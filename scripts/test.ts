/**
 * `npm test`: generated files, lint, types, Go tests and everything that vitest runs, on the built Caddy.
 * Goes on after failures and ends with the line `N passed, N failed`.
 */
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { builtCaddy, testCacheDir } from "../test/support/caddy-binary.ts";
import { goTestStep } from "./go-tests.ts";
import {
  checkSteps,
  commandStep,
  installed,
  runCommand,
  runSteps,
  type Step,
  type Tally,
  top,
} from "./steps.ts";

const caddyStep: Step = {
  title: "Caddy",
  run: async () => {
    console.log(await builtCaddy((line) => console.log(line)));
    return { passed: 1, failed: 0 };
  },
};

/** The part of vitest's JSON report (Jest's form) that is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const vitestStep: Step = {
  title: "tests",
  run: async () => {
    const file = path.join(testCacheDir, `vitest-${process.pid}.json`);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const code = await runCommand(process.execPath, [installed("vitest"), "run", ...reporters]);
    try {
      const tally = tallyOf(JSON.parse(await readFile(file, "utf8")) as Report);
      // An error outside of any test fails the run and stands in no test's result.
      return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
    } finally {
      await rm(file, { force: true });
    }
  },
};

/** A file that fails without a failed test (it cannot be loaded, a hook fails) counts as one. */
function tallyOf(report: Report): Tally {
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

const goFolders = ["caddy", "bench/load"]
  .map((name) => path.join(top, name))
  .filter((folder) => existsSync(path.join(folder, "go.mod")));

const { passed, failed } = await runSteps([
  caddyStep,
  ...checkSteps,
  ...goFolders.flatMap((folder) => [
    commandStep(`go vet in ${path.relative(top, folder)}`, "go", ["vet", "./..."], folder),
    goTestStep(folder),
  ]),
  vitestStep,
]);
console.log(`\n${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
