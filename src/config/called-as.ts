import type { Environment } from "./read.ts";

/** How a person calls the command line in the way in which this process was started. */
export function calledAs(
  { npm_command }: Environment,
  isClone = import.meta.filename.endsWith(".ts"),
): string {
  if (isClone) return "node bin/gatewright.mjs";
  return npm_command === "exec" ? "npx gatewright" : "gatewright";
}
