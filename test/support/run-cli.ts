import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** What a run of the command line ended with. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How it is run. */
export interface CliOptions {
  readonly env?: { readonly [name: string]: string };
  readonly input?: string;
  /** In a pseudo-terminal of this width, whose output is all in `stdout`. */
  readonly terminal?: number;
  /** Lines that are typed there, each when its prompt stands in the output. */
  readonly typed?: readonly { readonly at: string; readonly text: string }[];
}

const program = resolve(import.meta.dirname, "../../bin/gatewright.mjs");

/** A home of its own, in which the command line is run. */
export class CliHome {
  readonly path = mkdtempSync(join(tmpdir(), "gatewright-home-"));
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: { readonly [name: string]: string } = {}) {
    this.#env = { PATH: process.env["PATH"], HOME: this.path, TERM: "xterm-256color", ...env };
  }

  run(args: readonly string[], { env = {}, input, terminal, typed = [] }: CliOptions = {}): Promise<CliRun> {
    const command = [process.execPath, program, ...args];
    const columns = terminal === undefined ? "" : `stty cols ${terminal}; `;
    const [file = "", ...rest] =
      terminal === undefined
        ? command
        : ["script", "-qec", `${columns}${command.map(quoted).join(" ")}`, "/dev/null"];
    const child = spawn(file, rest, { env: { ...this.#env, ...env }, cwd: this.path });
    const { promise, resolve: done, reject } = Promise.withResolvers<CliRun>();
    let [stdout, stderr] = ["", ""];
    const waiting = [...typed];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      const [next] = waiting;
      if (next === undefined || !stdout.includes(next.at)) return;
      waiting.shift();
      child.stdin.write(`${next.text}\n`);
    });
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => done({ code, stdout, stderr }));
    if (terminal === undefined) child.stdin.end(input);
    return promise;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
