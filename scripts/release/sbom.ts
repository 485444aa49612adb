import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import manifest from "../../package.json" with { type: "json" };
import { top } from "../steps.ts";

const run = promisify(execFile);
const MAX_BUFFER_BYTES = 64 * 1024 * 1024;

/** Writes which Go modules are in a binary, by what Go has put into it; CycloneDX. */
export async function writeGoSbom(binary: string, file: string): Promise<void> {
  const args = ["bin", "-json", "-noserial", "-std", "-version", manifest.version, "-output", file, binary];
  await run("go", ["tool", "cyclonedx-gomod", ...args], { cwd: import.meta.dirname });
  await writeStable(file, await readFile(file, "utf8"));
}

/** Writes which packages of npm the program is made of; CycloneDX. */
export async function writeNpmSbom(file: string): Promise<void> {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--omit", "optional"];
  const { stdout } = await run("npm", args, { cwd: top, maxBuffer: MAX_BUFFER_BYTES });
  await writeStable(file, stdout);
}

/** Without what differs each time: a second run writes the same. */
async function writeStable(file: string, text: string): Promise<void> {
  const { serialNumber: _, ...bom } = JSON.parse(text) as {
    serialNumber?: string;
    metadata: { timestamp?: string; component: { name: string } };
  };
  delete bom.metadata.timestamp;
  // npm takes the name of the folder.
  if (bom.metadata.component.name === path.basename(top)) bom.metadata.component.name = manifest.name;
  await writeFile(file, `${JSON.stringify(bom, null, 2)}\n`);
}
