import { join } from "node:path";
import { builtProgram } from "../test/support/built-program.ts";

/** Path of a Go program of this folder. Throws when there is no Go, or the modules cannot be had. */
export function builtTool(name: "load" | "coredns"): Promise<string> {
  return builtProgram(join(import.meta.dirname, name));
}
