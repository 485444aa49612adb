import { spawn } from "node:child_process";
import { once } from "node:events";

/** One shell into which blocks are pasted, one after another, as a reader does. */
export interface PasteShell extends AsyncDisposable {
  /** Runs a block; `status` is that of its last command. Rejects when the block does not end within 30 s. */
  paste(
    script: string,
  ): Promise<{ readonly status: number; readonly output: string; readonly errors: string }>;
}

const LONGEST_MS = 30_000;

/** Starts a bash that knows nothing of earlier ones; what it leaves in the background ends with it. */
export function startPasteShell(cwd: string, environment: NodeJS.ProcessEnv): PasteShell {
  const child = spawn("bash", ["--norc", "--noprofile"], {
    cwd,
    // A process group of its own, to be ended as a whole.
    detached: true,
    env: { PATH: process.env["PATH"], HOME: cwd, ...environment },
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  let number = 0;
  return {
    async paste(script) {
      const mark = `end of block ${number++}:`;
      [output, errors] = ["", ""];
      child.stdin.write(`${script}\nprintf '%s%s\\n' '${mark}' "$?"\n`);
      const signal = AbortSignal.timeout(LONGEST_MS);
      while (!output.includes(mark) || !output.endsWith("\n")) {
        await once(child.stdout, "data", { signal }).catch((error: unknown) => {
          throw new Error(`the block does not end; it said ${JSON.stringify(output + errors)}`, {
            cause: error,
          });
        });
      }
      const [said = "", status] = output.split(mark);
      return { status: Number(status), output: said.replaceAll("\r", ""), errors };
    },
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, "exit");
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await exited;
    },
  };
}
