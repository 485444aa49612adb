/** What became of one change of the code. */
export interface Outcome {
  /** `src/model/path.ts:12`. */
  readonly place: string;
  /** What was changed, in the tool's words. */
  readonly change: string;
  /** `killed`: a test failed. `timeout`: they did not end. `survived`: none failed. `uncovered`: none came by. */
  readonly fate: "killed" | "timeout" | "survived" | "uncovered";
}

interface StrykerReport {
  readonly files: {
    readonly [file: string]: {
      readonly source: string;
      readonly mutants: readonly {
        readonly mutatorName: string;
        readonly replacement?: string;
        readonly status: string;
        readonly location: {
          readonly start: { readonly line: number; readonly column: number };
          readonly end: { readonly line: number; readonly column: number };
        };
      }[];
    };
  };
}

/**
 * Reads Stryker's report (https://github.com/stryker-mutator/mutation-testing-elements, its schema). What lies in none of
 * the ranges, such as `src/a.ts:1-8`, was found by an earlier run and is left out. Default: all counts.
 */
export function outcomesOfStryker(text: string, ranges?: readonly string[]): readonly Outcome[] {
  const { files } = JSON.parse(text) as StrykerReport;
  const fates: { readonly [status: string]: Outcome["fate"] } = {
    Killed: "killed",
    Timeout: "timeout",
    Survived: "survived",
    NoCoverage: "uncovered",
  };
  return Object.entries(files).flatMap(([file, { source, mutants }]) => {
    const lines = source.split("\n");
    return mutants.flatMap(({ status, location: { start, end }, replacement = "" }) => {
      const fate = fates[status];
      // What does not compile, or was told to be left out, says nothing about the tests.
      if (fate === undefined || !isWithin(ranges, file, start.line, end.line)) return [];
      const last = start.line === end.line ? end.column - 1 : undefined;
      const before = (lines[start.line - 1] ?? "").slice(start.column - 1, last);
      return [
        { place: `${file}:${start.line}`, change: `${shorten(before)} → ${shorten(replacement)}`, fate },
      ];
    });
  });
}

function isWithin(ranges: readonly string[] | undefined, file: string, first: number, last: number): boolean {
  if (ranges === undefined) return true;
  return ranges.some((range) => {
    const [, of, from, to] = /^(.*):(\d+)-(\d+)$/.exec(range) ?? [];
    return of === file && Number(from) <= first && last <= Number(to);
  });
}

interface GremlinsReport {
  readonly files?: readonly {
    readonly file_name: string;
    readonly mutations: readonly { readonly type: string; readonly status: string; readonly line: number }[];
  }[];
}

/** Reads the report of `gremlins unleash --output` on a package, whose files it names without their folder. */
export function outcomesOfGremlins(text: string, folder: string): readonly Outcome[] {
  const { files = [] } = JSON.parse(text) as GremlinsReport;
  const fates: { readonly [status: string]: Outcome["fate"] } = {
    KILLED: "killed",
    "TIMED OUT": "timeout",
    LIVED: "survived",
    "NOT COVERED": "uncovered",
  };
  return files.flatMap(({ file_name, mutations }) =>
    mutations.flatMap(({ type, status, line }) => {
      const fate = fates[status];
      return fate === undefined ? [] : [{ place: `${folder}/${file_name}:${line}`, change: type, fate }];
    }),
  );
}

/** What no test failed for, and a row for the table of docs/testing.md. A change that has no end counts as killed. */
export function report(name: string, outcomes: readonly Outcome[]): string {
  const count = (fate: Outcome["fate"]): number => outcomes.filter((one) => one.fate === fate).length;
  const killed = count("killed") + count("timeout");
  const percent = outcomes.length === 0 ? 0 : (100 * killed) / outcomes.length;
  const survivors = outcomes
    .filter(({ fate }) => fate !== "killed")
    .map(({ place, change, fate }) => `${fate.padEnd(9)} ${place}  ${change}`);
  const row = [
    name,
    outcomes.length,
    killed,
    count("timeout"),
    count("survived"),
    count("uncovered"),
    `${percent.toFixed(1)} %`,
  ];
  return [...survivors, `| ${row.join(" | ")} |`].join("\n");
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 70 ? `${line.slice(0, 67)}…` : line;
}
