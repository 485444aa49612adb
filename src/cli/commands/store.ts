import { type Command, Option } from "commander";
import { GatewrightError } from "../../errors.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { settings } from "./shared.ts";

/** `store`: what is done to the store itself, on a machine with its settings. */
export function addStoreCommands(program: Command, io: Io): void {
  const store = program
    .command("store")
    .description("Commands about the store itself, with the settings of this machine");
  store
    .command("reseal")
    .description(
      "Seal everything in etcd with the first key of STORE_KEY, so that the others can go; gateways go on meanwhile",
    )
    .action(async (_: object, command: Command) => {
      const { loadConfig } = await import("../../config.ts");
      const { resealStore } = await import("../../wiring/reseal-store.ts");
      const { EtcdFailure } = await import("../../store/etcd/failure.ts");
      const { problems, sealed, values } = await resealStore(settings(loadConfig)).catch((error: unknown) => {
        if (error instanceof EtcdFailure) throw new Failure(error.message, exitCodes.unavailable);
        if (error instanceof GatewrightError)
          throw new Failure(error.message, exitCodes.usage, error.details);
        throw error;
      });
      const session = new Session(io, command);
      session.note(`${sealed} values were sealed anew; ${values} are sealed with the first key`);
      if (problems.length > 0)
        throw new Failure(`the other keys are still needed:\n${problems.join("\n")}`, exitCodes.failed);
    });
  store
    .command("migrate")
    .description(
      "Copy all documents between DATA_DIR and etcd while no gateway runs; the source stays as it is",
    )
    .addOption(
      new Option("--to <store>", "where to; the settings are those with STORE=etcd in both directions")
        .choices(["etcd", "files"])
        .makeOptionMandatory(),
    )
    .action(async ({ to }: { to: "etcd" | "files" }, command: Command) => {
      const { loadConfig } = await import("../../config.ts");
      const { migrateStore } = await import("../../wiring/migrate.ts");
      const moved = await migrateStore(settings(loadConfig), to).catch((error: unknown) => {
        throw new Failure(error instanceof Error ? error.message : String(error), exitCodes.failed);
      });
      const counts = [...moved].map(([name, count]) => `${count} ${name}`).join(", ");
      new Session(io, command).note(`All is moved to ${to === "etcd" ? "etcd" : "DATA_DIR"}: ${counts}.`);
    });
}
