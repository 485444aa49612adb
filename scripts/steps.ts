import { type ChildProcess, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import path from "node:path";

/** Top folder of the repository. */
export const top = path.resolve(import.meta.dirname, "..");

/** One test and how long it took. */
export interface TestTime {
  readonly name: string;
  readonly seconds: number;
}

/** How many checks or tests of a step passed and failed. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly times?: readonly TestTime[];
}

/** Takes what a step prints that runs beside another one, and gives way to it. Absent: the terminal, as it comes. */
export type Sink = (text: string) => void;

/** One part of `npm test`. */
export interface Step {
  readonly title: string;
  run(sink?: Sink): Promise<Tally>;
}

/** A program whose exit code is the verdict. */
export function commandStep(
  title: string,
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Step {
  return {
    title,
    run: async (sink) => {
      const code = await runCommand(command, args, { ...options, ...(sink === undefined ? {} : { sink }) });
      return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
    },
  };
}

/** Path of a program of a dependency. */
export function installed(name: string): string {
  return path.join(top, "node_modules", ".bin", name);
}

export interface CommandOptions {
  /** Where it runs. Default: the top folder. */
  readonly folder?: string;
  /** Variables beside those of this process. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly sink?: Sink;
}

/** Has a program, and what it starts, take only the processor time that others leave. */
export function giveWay(child: ChildProcess): void {
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
}

/** Runs a program; resolves with its exit code, 1 where a signal ended it or it cannot start. */
export function runCommand(
  command: string,
  args: readonly string[],
  { folder = top, environment = {}, sink }: CommandOptions = {},
): Promise<number> {
  return new Promise((resolve) => {
    const output = sink === undefined ? "inherit" : "pipe";
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ["ignore", output, output],
    });
    if (sink !== undefined) giveWay(child);
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => sink?.(text));
    child.once("error", (error) => {
      say(`${command} cannot be run: ${error.message}`, sink);
      resolve(1);
    });
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** Prints a line. */
export function say(line: string, sink?: Sink): void {
  if (sink === undefined) console.log(line);
  else sink(`${line}\n`);
}

/** Runs every step, whatever the ones before it gave, with a line before and after each. */
export async function runSteps(steps: readonly Step[], sink?: Sink): Promise<Tally> {
  let total: Tally = { passed: 0, failed: 0 };
  for (const step of steps) {
    say(`\n== ${step.title}`, sink);
    const began = Date.now();
    const tally = await step.run(sink).catch((error: unknown) => {
      say(error instanceof Error ? error.message : String(error), sink);
      return { passed: 0, failed: 1 };
    });
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    say(`-- ${step.title}: ${tally.passed} passed, ${tally.failed} failed (${seconds} s)`, sink);
    total = sum([total, tally]);
  }
  return total;
}

/** Runs `shown`, whose output comes as it does, and beside it the others, whose output comes when each has ended. */
export async function runBeside(shown: readonly Step[], others: readonly Step[]): Promise<Tally> {
  const quietly = async (): Promise<Tally> => {
    let total: Tally = { passed: 0, failed: 0 };
    for (const step of others) {
      let text = "";
      total = sum([total, await runSteps([step], (more) => (text += more))]);
      process.stdout.write(text);
    }
    return total;
  };
  return sum(await Promise.all([runSteps(shown), quietly()]));
}

/** All tallies as one. */
export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, { passed }) => total + passed, 0),
    failed: tallies.reduce((total, { failed }) => total + failed, 0),
    times: tallies.flatMap(({ times = [] }) => times),
  };
}

const node = process.execPath;

/** What `npm run check` runs: all that needs neither Caddy nor a test. */
export const checkSteps: readonly Step[] = [
  commandStep("generated types are current", node, [path.join(top, "scripts/generate.ts"), "--check"]),
  commandStep("generated settings are current", node, [
    path.join(top, "scripts/generate-settings.ts"),
    "--check",
  ]),
  commandStep("the generated dashboard is current", node, [
    path.join(top, "scripts/generate-dashboard.ts"),
    "--check",
  ]),
  commandStep("lint and format", installed("biome"), ["check", "."]),
  commandStep("types", installed("tsc"), []),
  commandStep("types of the dashboard", installed("tsc"), ["-p", "web"]),
];
