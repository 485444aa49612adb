import { existsSync, watch } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { collect, settings } from "./shared.ts";

/** Commands that need the machine and its settings instead of the API: `up`, `stop`, `doctor` and `logs`. */
export function addLocalCommands(program: Command, io: Io, run: () => Promise<void>): void {
  program
    .command("up")
    .description(
      "Start Gatewright on this machine, in the foreground; settings come from the environment and .env",
    )
    .action(async () => {
      await buildDashboard();
      await run();
    });

  program
    .command("stop")
    .description("Stop the Gatewright of this machine; Caddy goes on serving unless --caddy is given")
    .option("--caddy", "stop Caddy too, and with it all traffic")
    .option("-y, --yes", "stop Caddy without being asked")
    .action(async (options: { caddy?: boolean; yes?: boolean }, command: Command) => {
      const session = new Session(io, command);
      if (options.caddy === true) await session.confirm("Stop Caddy, and with it all traffic?", options.yes);
      const { stopLocal } = await import("../../wiring/stop.ts");
      const { loadConfig } = await import("../../config.ts");
      for (const line of await stopLocal(settings(loadConfig), { caddy: options.caddy === true }))
        session.note(line);
    });

  program
    .command("doctor")
    .description("Look at everything that could keep requests from being served; changes nothing")
    .option("--resolver <address>", "DNS server to ask where hostnames lead; may be repeated", collect, [])
    .action(async ({ resolver }: { resolver: readonly string[] }, command: Command) => {
      const { examine } = await import("../doctor.ts");
      const { loadConfig } = await import("../../config.ts");
      await examine(new Session(io, command), settings(loadConfig), resolver);
    });

  program
    .command("logs")
    .description("Show Caddy's log on this machine")
    .option("-f, --follow", "go on with what is written")
    .action(async ({ follow }: { follow?: boolean }) => {
      const { loadConfig } = await import("../../config.ts");
      await tail(join(settings(loadConfig).dataDir, "caddy", "caddy.log"), follow === true, io);
    });
}

/** In a clone has the dashboard built beside the start, where it is missing or stale. A package has it built. */
async function buildDashboard(): Promise<void> {
  const script = join(import.meta.dirname, "../../../scripts/build-beside.mjs");
  if (!existsSync(script)) return;
  const { buildBeside } = (await import(pathToFileURL(script).href)) as {
    readonly buildBeside: (node: string) => void;
  };
  buildBeside(process.execPath);
}

/** How much of the end is shown at first. */
const TAIL_BYTES = 16 * 1024;

async function tail(path: string, follow: boolean, { stdout }: Io): Promise<void> {
  let at = -1;
  const watcher = follow ? watch(path, { persistent: true }) : undefined;
  for (;;) {
    const file = await open(path).catch((error: Error) => {
      throw new Failure(`${path} cannot be read: ${error.message}`, exitCodes.failed);
    });
    const { size } = await file.stat();
    if (at < 0) at = Math.max(0, size - TAIL_BYTES);
    // It was begun again.
    if (size < at) at = 0;
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size - at), 0, size - at, at);
    await file.close();
    at += bytesRead;
    stdout.write(buffer.subarray(0, bytesRead));
    if (watcher === undefined) return;
    await Promise.race([new Promise((resolve) => watcher.once("change", resolve)), sleep(1_000)]);
  }
}
