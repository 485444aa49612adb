import { spawn } from "node:child_process";
import path from "node:path";

/** Top folder of the repository. */
export const top = path.resolve(import.meta.dirname, "..");

/** How many checks or tests of a step passed and failed. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** One part of `npm test`. */
export interface Step {
  readonly title: string;
  run(): Promise<Tally>;
}

/** A program of node_modules/.bin, or on the PATH, whose exit code is the verdict. */
export function commandStep(title: string, command: string, args: readonly string[], folder = top): Step {
  return {
    title,
    run: async () => {
      const code = await runCommand(command, args, folder);
      return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
    },
  };
}

/** Path of a program of a dependency. */
export function installed(name: string): string {
  return path.join(top, "node_modules", ".bin", name);
}

/** Runs a program with this terminal; resolves with its exit code, 1 where a signal ended it or it cannot start. */
export function runCommand(command: string, args: readonly string[], folder = top): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", (error) => {
      console.error(`${command} cannot be run: ${error.message}`);
      resolve(1);
    });
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** Runs every step, whatever the ones before it gave, with a line before and after each. */
export async function runSteps(steps: readonly Step[]): Promise<Tally> {
  let total: Tally = { passed: 0, failed: 0 };
  for (const step of steps) {
    console.log(`\n== ${step.title}`);
    const began = Date.now();
    const tally = await step.run().catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      return { passed: 0, failed: 1 };
    });
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    console.log(`-- ${step.title}: ${tally.passed} passed, ${tally.failed} failed (${seconds} s)`);
    total = { passed: total.passed + tally.passed, failed: total.failed + tally.failed };
  }
  return total;
}

const node = process.execPath;

/** What `npm run check` runs: all that needs neither Caddy nor a test. */
export const checkSteps: readonly Step[] = [
  commandStep("generated types are current", node, [path.join(top, "scripts/generate.ts"), "--check"]),
  commandStep("generated settings are current", node, [
    path.join(top, "scripts/generate-settings.ts"),
    "--check",
  ]),
  commandStep("lint and format", installed("biome"), ["check", "."]),
  commandStep("types", installed("tsc"), []),
];
