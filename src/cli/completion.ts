import type { Command } from "commander";

/** What may follow words of a command line, as shells ask for it: commands, then options. */
export function completionsOf(program: Command, words: readonly string[]): readonly string[] {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) continue;
    command = next;
  }
  const chain: Command[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) chain.push(one);
  const options = chain.flatMap((one) => one.options.flatMap(({ long }) => long ?? []));
  return [...command.commands.map((one) => one.name()), ...options, "--help"];
}

/** A script for a shell, which asks the program itself, so that it never is out of date. */
export const completionScripts = {
  bash: `_gatewright() {
  local words; words=$(gatewright __complete "\${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gatewright gatewright
`,
  zsh: `#compdef gatewright
_gatewright() {
  local -a words; words=(\${(f)"$(gatewright __complete \${words[2,CURRENT-1]} 2>/dev/null)"})
  compadd -a words
}
compdef _gatewright gatewright
`,
  fish: `complete -c gatewright -a '(gatewright __complete (commandline -opc)[2..])'
`,
} as const;
