/**
 * `npm test`: generated files, lint, types, Go tests and everything that vitest runs, on the built Caddy.
 * Goes on after failures and ends with the line `N passed, N failed`.
 */
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { builtCaddy, testCacheDir } from "../test/support/caddy-binary.ts";
import { goTestStep, goVetStep } from "./go-tests.ts";
import {
  checkSteps,
  installed,
  runBeside,
  runCommand,
  type Step,
  say,
  sum,
  type Tally,
  type TestTime,
  top,
} from "./steps.ts";

const caddyStep: Step = {
  title: "Caddy",
  run: async (sink) => {
    say(await builtCaddy((line) => say(line, sink)), sink);
    return { passed: 1, failed: 0 };
  },
};

/** The part of vitest's JSON report (Jest's form) that is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      /** Milliseconds. */
      readonly duration?: number | null;
    }[];
  }[];
}

const vitestStep: Step = {
  title: "tests",
  run: async (sink) => {
    const file = path.join(testCacheDir, `vitest-${process.pid}.json`);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const code = await runCommand(process.execPath, [installed("vitest"), "run", ...reporters], {
      ...(sink === undefined ? {} : { sink }),
    });
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
  const times = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, duration }) => ({
      name: `${path.relative(top, name)} ${fullName}`,
      seconds: (duration ?? 0) / 1000,
    })),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length, times };
}

function printSlowest(times: readonly TestTime[], count: number): void {
  console.log(`\nthe slowest ${count} tests:`);
  const slowest = times.toSorted((one, other) => other.seconds - one.seconds).slice(0, count);
  for (const { name, seconds } of slowest) console.log(`${seconds.toFixed(1).padStart(6)} s  ${name}`);
}

const goFolders = ["caddy", "bench/load"]
  .map((name) => path.join(top, name))
  .filter((folder) => existsSync(path.join(folder, "go.mod")));

// The compilers of Go leave processors idle now and then, as the tests do that wait for other processes.
const {
  passed,
  failed,
  times = [],
} = sum([
  await runBeside([caddyStep], checkSteps),
  await runBeside(
    [vitestStep],
    goFolders.flatMap((folder) => [goVetStep(folder), goTestStep(folder)]),
  ),
]);
printSlowest(times, 20);
console.log(`\n${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
