import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { builtCaddy, testCacheDir } from "../../support/caddy-binary.ts";
import { freePorts, portSettings } from "../../support/gatewright.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";

const top = resolve(import.meta.dirname, "../../..");

/** A Node that is too old to run Gatewright itself, and hands over to the pinned one. */
const olderNode = ["/usr/bin/node", "/usr/local/bin/node"].find(
  (file) =>
    existsSync(file) && Number.parseInt(execFileSync(file, ["--version"]).toString().slice(1), 10) < 22,
);

/** What a supervisor starts; the unit of systemd and the image are tried by test/release. */
const starts: readonly (readonly [name: string, ...command: string[]])[] = [
  ["npm start", "npm", "start", "--silent"],
  ["scripts/run.mjs", process.execPath, "scripts/run.mjs", "src/main.ts"],
  ["gatewright up", process.execPath, "bin/gatewright.mjs", "up"],
  ...(olderNode === undefined
    ? []
    : [["gatewright up by an older Node", olderNode, "bin/gatewright.mjs", "up"] as const]),
];

/** All processes that were started for a data folder. */
function processesOf(dataDir: string): readonly { readonly pid: number; readonly name: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const isOurs =
          environment.includes(`DATA_DIR=${dataDir}`) || command.some((word) => word.startsWith(dataDir));
        const name = command[0]?.split("/").at(-1) ?? "";
        return isOurs && name !== "" ? [{ pid: Number(pid), name }] : [];
      } catch {
        return [];
      }
    });
}

test.each(starts)(
  "SIGTERM to the process of `%s` ends it and what it has started",
  async (_, program, ...args) => {
    await using folder = await temporaryFolder();
    const namesLeft = () => processesOf(folder.path).map(({ name }) => name);
    using stack = new DisposableStack();
    stack.defer(() => {
      for (const { pid } of processesOf(folder.path)) process.kill(pid, "SIGKILL");
    });
    const ports = await freePorts();
    const environment = {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      NODE_COMPILE_CACHE: join(testCacheDir, "compile"),
      DATA_DIR: folder.path,
      CADDY_BIN: await builtCaddy(),
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
      ...portSettings(ports),
    };
    /** Starts it, has it be told to end, and returns what is left. */
    const leftBy = async (settings: NodeJS.ProcessEnv): Promise<readonly string[]> => {
      const child = spawn(program as string, args, {
        cwd: top,
        env: { ...environment, ...settings },
        stdio: "ignore",
      });
      const ended = once(child, "exit");
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return (await fetch(`http://127.0.0.1:${ports.api}/ready`)).ok;
      });
      child.kill("SIGTERM");
      await ended;
      // npm ends with its child; the others are their child, or wait for it.
      await until(() => namesLeft().every((name) => name === "caddy"));
      return namesLeft();
    };
    // Caddy goes on and is found by the next start, which ends it too.
    expect(await leftBy({})).toEqual(["caddy"]);
    expect(await leftBy({ CADDY_STOP_ON_SHUTDOWN: "true" })).toEqual([]);
  },
  60_000,
);
