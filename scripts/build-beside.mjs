import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const scripts = path.dirname(fileURLToPath(import.meta.url));

/** Builds the dashboard when it is missing or stale, beside what is started: nothing waits for it. */
export function buildBeside(node) {
  if (!existsSync(path.join(scripts, "..", "web", "src"))) return;
  const script = path.join(scripts, "build-dashboard.ts");
  const child = spawn(node, [script], { stdio: ["ignore", "ignore", "inherit"], detached: true });
  child.on("error", () => {});
  child.unref();
}
