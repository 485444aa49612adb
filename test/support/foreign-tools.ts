import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);
const cache = join(import.meta.dirname, "../../.cache/foreign-tools");

/** What a program said; `code` 0 when it was content. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end. */
export async function runTool(file: string, args: readonly string[], cwd?: string): Promise<Outcome> {
  try {
    const { stdout, stderr } = await exec(file, args, {
      maxBuffer: 64 * 1024 * 1024,
      ...(cwd === undefined ? {} : { cwd }),
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : 1, output: `${stdout}${stderr}` || String(error) };
  }
}

/**
 * Installs packages of npm into a folder of their own and returns their `node_modules`; undefined, with a warning, where
 * the registry cannot be reached. They are no dependencies: only these tests need them. `overrides` are
 * those of package.json.
 */
export function npmTools(packages: readonly string[], overrides: object = {}): Promise<string | undefined> {
  return installed(packages, async (folder) => {
    await writeFile(join(folder, "package.json"), JSON.stringify({ overrides }));
    await exec(
      "npm",
      ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", ...packages],
      { cwd: folder },
    );
    return "node_modules";
  });
}

/** As `npmTools`, from PyPI into a virtual environment; returns its `bin`. */
export function pythonTools(packages: readonly string[]): Promise<string | undefined> {
  return installed(packages, async (folder) => {
    await exec("python3", ["-m", "venv", join(folder, "venv")]);
    await exec(join(folder, "venv/bin/python"), [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      ...packages,
    ]);
    return "venv/bin";
  });
}

async function installed(
  packages: readonly string[],
  install: (folder: string) => Promise<string>,
): Promise<string | undefined> {
  const folder = join(cache, createHash("sha256").update(packages.join()).digest("hex").slice(0, 16));
  const known = ["node_modules", "venv/bin"]
    .map((part) => join(folder, part))
    .find((part) => existsSync(join(folder, "done")) && existsSync(part));
  if (known !== undefined) return known;
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const part = await install(folder);
    await writeFile(join(folder, ".done"), "");
    await rename(join(folder, ".done"), join(folder, "done"));
    return join(folder, part);
  } catch (error) {
    console.warn(`SKIPPED: ${packages.join(", ")} cannot be installed: ${String(error).split("\n")[0]}`);
    return undefined;
  }
}
