import { parseArgs } from "node:util";

/** What to measure and for how long. */
export interface Options {
  /** Numbers of ingresses, ascending. */
  readonly sizes: readonly number[];
  /** Keys of rows; empty: all. */
  readonly only: readonly string[];
  /** Short runs and few rounds: for CI, and to see whether something collapsed. */
  readonly quick: boolean;
  /** Where the results are written as JSON. */
  readonly jsonFile?: string;
  /** Folder for CPU profiles of Caddy and the manager during the proxied rate. */
  readonly profileDir?: string;
  /** Rounds of each interleaved measurement. */
  readonly rounds: number;
  /** Length of one run of load. */
  readonly runMs: number;
}

export const usage = `npm run bench -- [options]
  --sizes 1,1000,10000,100000   numbers of ingresses
  --only KEY                    this row alone; may be repeated
  --rounds N                    rounds of each interleaved measurement
  --run-ms N                    length of one run of load, in milliseconds
  --quick                       short runs at 1 and 1000, without what takes long to build
  --json FILE                   also write the results there
  --profile DIR                 also write CPU profiles there
  --list                        the rows and their keys`;

/** Reads the command line. Throws an Error that says what is wrong with it. */
export function readOptions(args: readonly string[]): Options | "help" | "list" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      "run-ms": { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      profile: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  if (values.list) return "list";
  const { quick } = values;
  const sizes = values.sizes ?? (quick ? "1,1000" : "1,1000,10000,100000");
  return {
    sizes: sizes
      .split(",")
      .map((text) => count("--sizes", text, 100_000))
      .sort((left, right) => left - right),
    only: values.only.flatMap((text) => text.split(",")),
    quick,
    rounds: values.rounds === undefined ? (quick ? 3 : 5) : count("--rounds", values.rounds, 100),
    runMs:
      values["run-ms"] === undefined ? (quick ? 500 : 2000) : count("--run-ms", values["run-ms"], 60_000),
    ...(values.json === undefined ? {} : { jsonFile: values.json }),
    ...(values.profile === undefined ? {} : { profileDir: values.profile }),
  };
}

function count(option: string, text: string, largest: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > largest)
    throw new Error(`${option}: "${text}" is no whole number from 1 to ${largest}`);
  return number;
}
