import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { type Call, call } from "../api.ts";

/** A question, as a line of JSON on standard input; its answer goes to standard output. */
export interface VisitorQuestion {
  readonly id: number;
  readonly url: string;
  readonly options: Call;
}

export interface VisitorAnswer {
  readonly id: number;
  readonly status?: number;
  readonly text?: string;
  /** Code of the error where there was no answer. */
  readonly error?: string;
}

// Asks on behalf of a test in the namespace that it runs in, and is a backend there at the ports of its arguments, which it tells.
for (const port of process.argv.slice(2))
  createServer((_, response) => response.end(port)).listen(Number(port), "127.0.0.1");

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, options, url } = JSON.parse(line) as VisitorQuestion;
  const answer = (told: Omit<VisitorAnswer, "id">): void =>
    void process.stdout.write(`${JSON.stringify({ id, ...told })}\n`);
  call(url, options).then(
    ({ status, text }) => answer({ status, text }),
    (error: NodeJS.ErrnoException) => answer({ error: error.code ?? error.message }),
  );
});
