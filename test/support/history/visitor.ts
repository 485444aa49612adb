import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Call } from "../api.ts";
import type { Machine } from "../namespaces.ts";
import type { VisitorAnswer } from "./visitor-main.ts";

/** What a visitor got: a status with its text, or the code of the error. */
export type Got =
  | { readonly status: number; readonly text: string }
  | { readonly status: undefined; readonly error: string };

/** Asks from a machine. */
export type Ask = (url: string, options?: Call) => Promise<Got>;

/** Asks in a machine of its own network, where it also is a backend at ports of loopback, which tells its port. */
export function startVisitor(machine: Machine, ports: readonly number[] = []): Ask {
  const main = resolve(import.meta.dirname, "visitor-main.ts");
  const child = machine.spawn([process.execPath, main, ...ports.map(String)]);
  const waiting = new Map<number, (got: Got) => void>();
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk));
  child.stdin?.on("error", () => undefined);
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const { error = "", id, status, text = "" } = JSON.parse(line) as VisitorAnswer;
    waiting.get(id)?.(status === undefined ? { status, error } : { status, text });
    waiting.delete(id);
  });
  let questions = 0;
  return (url, options = {}) => {
    if (child.exitCode !== null) return Promise.reject(new Error(`the visitor ended: ${errors}`));
    const { promise, resolve: got } = Promise.withResolvers<Got>();
    const id = questions++;
    waiting.set(id, got);
    child.stdin?.write(`${JSON.stringify({ id, url, options })}\n`);
    return promise;
  };
}
