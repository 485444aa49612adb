import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { goBuildFlags } from "../src/caddy/go-build.ts";
import { commandStep, giveWay, type Step, say, type Tally, type TestTime, top } from "./steps.ts";

/** A line of `go test -json` (https://pkg.go.dev/cmd/test2json). */
interface GoEvent {
  readonly Action: string;
  readonly Package?: string;
  readonly ImportPath?: string;
  readonly Test?: string;
  readonly Output?: string;
  /** Seconds. */
  readonly Elapsed?: number;
}

/** `go vet` of a module, with the flags that Caddy is built with: what is compiled for one is there for the other. */
export function goVetStep(folder: string): Step {
  const environment = { CGO_ENABLED: "0" };
  const args = ["vet", ...goBuildFlags, "./..."];
  return commandStep(`go vet in ${path.relative(top, folder)}`, "go", args, { folder, environment });
}

/** The tests of a Go module, with the race detector where there is a C compiler for it. */
export function goTestStep(folder: string): Step {
  return {
    title: `Go tests in ${path.relative(top, folder)}`,
    run: async (sink) => {
      const race = hasCompiler(folder) ? ["-race"] : [];
      if (race.length === 0) say("without a C compiler: no race detector", sink);
      // goVetStep has vetted it, and with the analyses that `go test` leaves out.
      const child = spawn(
        "go",
        ["test", "-json", "-vet=off", ...race, withoutDebugging, ...testedPackages(folder)],
        {
          cwd: folder,
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      if (sink !== undefined) giveWay(child);
      child.stderr.setEncoding("utf8").on("data", (text: string) => say(text.trimEnd(), sink));
      const results = new GoResults((line) => say(line, sink));
      createInterface({ input: child.stdout }).on("line", (line) => results.add(line));
      const code = await new Promise<number | string>((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("close", (exitCode) => resolve(exitCode ?? 1));
      });
      const tally = results.tally();
      if (code === 0 || tally.failed > 0) return tally;
      say(`go test failed: ${code}`, sink);
      return { ...tally, failed: 1 };
    },
  };
}

/** As in `goBuildFlags`. */
const withoutDebugging = "-gcflags=all=-dwarf=false";

/** Packages that have tests; `go test ./...` would compile the others, too. All where `go list` has no answer. */
function testedPackages(folder: string): readonly string[] {
  const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}";
  const list = spawnSync("go", ["list", "-f", format, "./..."], { cwd: folder, encoding: "utf8" });
  return list.status === 0 ? list.stdout.split("\n").filter((line) => line !== "") : ["./..."];
}

function hasCompiler(folder: string): boolean {
  const go = spawnSync("go", ["env", "CGO_ENABLED", "CC"], { cwd: folder, encoding: "utf8" });
  const [enabled, compiler = ""] = (go.stdout ?? "").trim().split("\n");
  return enabled === "1" && spawnSync(compiler.split(" ")[0] ?? "", ["--version"]).status === 0;
}

/** Gathers results from the events; prints what failed as it comes, and each package that passed. */
export class GoResults {
  readonly #output = new Map<string, string[]>();
  readonly #verdicts = new Map<string, boolean>();
  readonly #times: TestTime[] = [];
  readonly #brokenPackages = new Set<string>();
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) return;
    const owner = event.Package ?? event.ImportPath ?? "";
    const name = `${owner} ${event.Test ?? ""}`;
    if (event.Test !== undefined && event.Elapsed !== undefined)
      this.#times.push({ name, seconds: event.Elapsed });
    switch (event.Action) {
      case "output":
      case "build-output":
        this.#keep(name, event.Output ?? "");
        break;
      case "pass":
        if (event.Test === undefined) this.#print(`ok    ${owner}`);
        else this.#verdicts.set(name, true);
        this.#output.delete(name);
        break;
      case "fail":
      case "build-fail":
        this.#fail(name, event.Test === undefined);
        break;
      case "skip":
        if (event.Test !== undefined) this.#print(`skip  ${name}`);
        break;
    }
  }

  /** Tests without subtests count; a package that fails without a failed test counts as one. */
  tally(): Tally {
    const names = [...this.#verdicts.keys()];
    const parents = new Set(names.map((name) => name.slice(0, Math.max(0, name.lastIndexOf("/")))));
    const leaves = [...this.#verdicts].filter(([name]) => !parents.has(name));
    const failed = leaves.filter(([, passed]) => !passed);
    const broken = [...this.#brokenPackages].filter(
      (owner) => !failed.some(([name]) => name.startsWith(`${owner} `)),
    );
    const times = this.#times.filter(({ name }) => !parents.has(name));
    return { passed: leaves.length - failed.length, failed: failed.length + broken.length, times };
  }

  #keep(name: string, text: string): void {
    const kept = this.#output.get(name) ?? [];
    kept.push(text);
    this.#output.set(name, kept);
  }

  #fail(name: string, isPackage: boolean): void {
    if (isPackage) this.#brokenPackages.add(name.trim());
    else this.#verdicts.set(name, false);
    this.#print(`FAIL  ${name}\n${(this.#output.get(name) ?? []).join("")}`);
    this.#output.delete(name);
  }
}

function parseEvent(line: string): GoEvent | undefined {
  try {
    return JSON.parse(line) as GoEvent;
  } catch {
    console.log(line);
    return undefined;
  }
}
