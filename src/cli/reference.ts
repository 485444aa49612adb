import type { Command, Option } from "commander";
import { exitCodes } from "./failure.ts";

/** What each exit code means; docs/cli.md has it. */
const exitWords: { readonly [code in keyof typeof exitCodes]: string } = {
  failed: "something failed, or `status` and `doctor` found what wants attention",
  usage: "the command line, a file or a setting is wrong",
  notFound: "there is no such thing",
  conflict: "it would conflict with what is there, or that was changed meanwhile",
  unavailable: "no Gatewright answers, or it cannot serve the call now",
  denied: "the token is missing, wrong, or lacks the right",
};

/** The reference of the command line, in Markdown. Pure. */
export function referenceOf(program: Command): string {
  const codes = Object.entries(exitCodes).map(
    ([name, code]) => `| ${code} | ${exitWords[name as keyof typeof exitCodes]} |`,
  );
  return [
    "## Options of every command",
    "",
    ...optionTable(program.options),
    "",
    ...commandsOf(program).flatMap(commandSection),
    "## Exit codes",
    "",
    "| code | when |",
    "|---|---|",
    "| 0 | it is done |",
    ...codes,
    "",
  ].join("\n");
}

function commandsOf(command: Command): readonly Command[] {
  return command.commands
    .filter((one) => one.name() !== "__complete")
    .flatMap((one) => (one.commands.length > 0 ? commandsOf(one) : [one]));
}

function commandSection(command: Command): readonly string[] {
  const names: string[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) names.unshift(one.name());
  const table = optionTable(command.options);
  return [
    `## ${names.join(" ")}`,
    "",
    `\`${[...names, command.usage().replace("[options] ", "").replace("[options]", "")].join(" ").trim()}\``,
    "",
    `${command.description()}.`,
    "",
    ...(table.length === 0 ? [] : [...table, ""]),
  ];
}

function optionTable(options: readonly Option[]): readonly string[] {
  if (options.length === 0) return [];
  const rows = options.map(({ argChoices, defaultValue, description, flags, mandatory }) => {
    const choices = argChoices === undefined ? "" : `: ${argChoices.join(", ")}`;
    const fallback =
      defaultValue === undefined || Array.isArray(defaultValue) ? "" : `; default ${String(defaultValue)}`;
    return `| \`${flags.replaceAll("|", "\\|")}\` | ${description}${choices}${fallback}${mandatory ? "; required" : ""} |`;
  });
  return ["| option | what |", "|---|---|", ...rows];
}
