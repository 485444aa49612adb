import { realpathSync } from "node:fs";
import type { Command } from "commander";
import { GatewrightError } from "../../errors.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";

/** `service`: Gatewright as a service of systemd. */
export function addServiceCommands(program: Command, io: Io): void {
  const service = program.command("service").description("Gatewright as a service of systemd");

  service
    .command("install")
    .description("Write a unit with a user of its own, enable it and start it; settings that are there stay")
    .option("--root <folder>", "install into the folder of an image; nothing is started")
    .option("--print", "write the unit to the terminal, and change nothing")
    .action(async ({ print, root }: { print?: boolean; root?: string }, command: Command) => {
      const { installService } = await import("../../wiring/service/service.ts");
      const { renderUnit } = await import("../../wiring/service/unit.ts");
      const [, program = ""] = process.argv;
      const words = [process.execPath, realpathSync(program)];
      if (print === true) return void io.stdout.write(renderUnit({ command: words }));
      const session = new Session(io, command);
      for (const line of await told(() => installService({ command: words, root }))) session.note(line);
    });

  service
    .command("uninstall")
    .description("Stop and remove the unit, and stop Caddy; data and settings stay")
    .option("--root <folder>", "remove it from the folder of an image")
    .option("-y, --yes", "without being asked")
    .action(async ({ root, yes }: { root?: string; yes?: boolean }, command: Command) => {
      const session = new Session(io, command);
      const [{ uninstallService }, { stopLocal }, { loadConfig }, { DATA_DIR }] = await Promise.all([
        import("../../wiring/service/service.ts"),
        import("../../wiring/stop.ts"),
        import("../../config.ts"),
        import("../../wiring/service/unit.ts"),
      ]);
      if (root === undefined)
        await session.confirm("Remove the service and stop Caddy, and with it all traffic?", yes);
      for (const line of await told(() => uninstallService(root))) session.note(line);
      if (root !== undefined) return;
      const config = loadConfig({ DATA_DIR }, { envFile: "/dev/null" });
      for (const line of await told(() => stopLocal(config, { caddy: true }))) session.note(line);
    });

  service
    .command("status")
    .description("Show what systemd says of the service")
    .action(async () => {
      const { serviceStatus } = await import("../../wiring/service/service.ts");
      const { state, text } = await serviceStatus();
      io.stdout.write(`${text}\n`);
      if (state !== "active") process.exitCode = exitCodes.failed;
    });
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Those of the command itself and of Gatewright are for people; others are mistakes of the code.
    if (error instanceof GatewrightError || (error as Error).name === "ServiceError")
      throw new Failure((error as Error).message, exitCodes.failed);
    throw error;
  }
}
