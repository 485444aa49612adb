import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { builtCaddy } from "./caddy-binary.ts";

/** Runs Gatewright where it must not come up, and returns how it ended and what it said. It is killed after 20 s. */
export async function failedStart(
  environment: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts")], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      CADDY_BIN: await builtCaddy(),
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = (await once(child, "exit")) as [number | null];
  clearTimeout(timer);
  return { code, output };
}
