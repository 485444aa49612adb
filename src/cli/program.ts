import { Argument, Command, Help, Option } from "commander";
import { addApplyCommands } from "./commands/apply.ts";
import { addArchiveCommands } from "./commands/archive.ts";
import { addCertificateCommands } from "./commands/certificate.ts";
import { addContextCommands } from "./commands/context.ts";
import { addDemoCommand } from "./commands/demo.ts";
import { addExplainCommand } from "./commands/explain.ts";
import { addHaCommands } from "./commands/ha.ts";
import { addIngressCommands } from "./commands/ingress.ts";
import { addInstanceCommands } from "./commands/instance.ts";
import { addLocalCommands } from "./commands/local.ts";
import { addRevisionCommands } from "./commands/revision.ts";
import { addServerCommands } from "./commands/server.ts";
import { addServiceCommands } from "./commands/service.ts";
import { addStoreCommands } from "./commands/store.ts";
import { addTokenCommands } from "./commands/token.ts";
import { completionScripts, completionsOf } from "./completion.ts";
import type { Io } from "./io.ts";
import { outputForms } from "./session.ts";

/** What the program is made with. */
export interface ProgramParts {
  readonly io: Io;
  readonly version: string;
  /** Starts Gatewright in this process. */
  readonly run: () => Promise<void>;
}

/** The command line, whole. It parses nothing by itself. */
export function createProgram({ io, run, version }: ProgramParts): Command {
  const program = new Command("gatewright")
    .description("Ingress manager for virtual machines")
    .version(version)
    .option(
      "--url <url>",
      "where Gatewright answers; unix:///path for a socket (GATEWRIGHT_URL; http://127.0.0.1:8080)",
    )
    .option("--token <token>", "token to show (GATEWRIGHT_TOKEN)")
    .option("--context <name>", "a Gatewright that `gatewright context` knows")
    .addOption(
      new Option("-o, --output <form>", "how answers are written").choices([...outputForms]).default("table"),
    )
    .option(
      "--wait <time>",
      "changes wait so long for all gateways to serve them, such as 10s; 60s at the most",
    )
    .showSuggestionAfterError()
    .configureHelp({ optionDescription })
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .exitOverride();
  addLocalCommands(program, io, run);
  addServiceCommands(program, io);
  addDemoCommand(program, io);
  addServerCommands(program, io);
  addIngressCommands(program, io);
  addApplyCommands(program, io);
  addExplainCommand(program, io);
  addInstanceCommands(program, io);
  addCertificateCommands(program, io);
  addTokenCommands(program, io);
  addRevisionCommands(program, io);
  addArchiveCommands(program, io);
  addHaCommands(program, io);
  addStoreCommands(program, io);
  addContextCommands(program, io);
  program
    .command("completion")
    .description("Write a completion script: `source <(gatewright completion bash)`")
    .addArgument(new Argument("<shell>").choices(Object.keys(completionScripts)))
    .action((shell: keyof typeof completionScripts) => void io.stdout.write(completionScripts[shell]));
  program
    .command("__complete [words...]", { hidden: true })
    .allowUnknownOption()
    .action((words: string[]) => void io.stdout.write(`${completionsOf(program, words).join("\n")}\n`));
  // Errors of inner commands end in the same way.
  for (const command of descendantsOf(program)) command.exitOverride().showSuggestionAfterError();
  return program;
}

/** What the help says of an option: that it is required, and no default that is an empty list. */
function optionDescription(option: Option): string {
  if (option.mandatory) return `${option.description}; required`;
  return Array.isArray(option.defaultValue) ? option.description : new Help().optionDescription(option);
}

/** All commands below one. */
function descendantsOf(command: Command): readonly Command[] {
  return command.commands.flatMap((one) => [one, ...descendantsOf(one)]);
}
