import { CommanderError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { GatewrightError, type Problem } from "../errors.ts";
import { exitCodes, Failure } from "./failure.ts";
import { type Io, printable, styled } from "./io.ts";
import { createProgram } from "./program.ts";

/** Problems that are told one by one. */
const MOST_PROBLEMS = 20;

const io: Io = { stdout: process.stdout, stderr: process.stderr, stdin: process.stdin, env: process.env };

// A reader that has enough (`gatewright ingress list | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  const run = async (): Promise<void> => void (await import("../main.ts"));
  await createProgram({ io, run, version: manifest.version }).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Tells what went wrong, and returns what the program ends with. */
function report(error: unknown): number {
  // Commander has told it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  // What parts of Gatewright refuse that run in this process, such as a Gatewright that does not stop.
  if (!(error instanceof Failure) && !(error instanceof GatewrightError)) throw error;
  const told = error.details.slice(0, MOST_PROBLEMS);
  const [first] = told;
  // The API's message is the first problem's, for those who read nothing else.
  const isRepeated = first !== undefined && error.message.includes(first.message);
  const isOne = isRepeated && error.details.length === 1;
  const head = isOne ? problemText(first) : isRepeated ? `${error.details.length} problems` : error.message;
  io.stderr.write(`${styled(io.stderr, "red", "error:")} ${printable(head)}\n`);
  if (!isOne) for (const problem of told) io.stderr.write(`  ${printable(problemText(problem))}\n`);
  const more = error.details.length - told.length;
  if (more > 0) io.stderr.write(`  … and ${more} more\n`);
  return error instanceof Failure ? error.exitCode : exitCodes.failed;
}

function problemText({ code, field, message }: Problem): string {
  return field === undefined ? message : `${field}: ${message} (${code})`;
}
