import type { Command } from "commander";
import { socketOf, urlOf } from "../client.ts";
import { readContexts, writeContexts } from "../contexts.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { onePage, Session } from "../session.ts";

/** `gatewright context`. */
export function addContextCommands(program: Command, io: Io): void {
  const context = program
    .command("context")
    .description("Several Gatewrights by name, in ~/.config/gatewright");

  context
    .command("list")
    .alias("ls")
    .description("List contexts; the star is beside the one that is used")
    .action(async (_: object, command: Command) => {
      const session = new Session(io, command);
      const { contexts, current } = readContexts(io.env);
      const entries = Object.entries(contexts).map(([name, { url }]) => ({
        name,
        url,
        current: name === current,
      }));
      await session.list(onePage(entries), {
        columns: [
          { title: "", value: (one) => (one.current ? "*" : "") },
          { title: "NAME", value: ({ name }) => name },
          { title: "URL", value: ({ url }) => url },
        ],
        name: ({ name }) => name,
        none: "There is no context yet. `gatewright context set` makes one.",
      });
    });

  context
    .command("set <name>")
    .description("Make a context of --url and --token, or change one, and use it from now on")
    .action(async (name: string, _: object, command: Command) => {
      const session = new Session(io, command);
      const present = readContexts(io.env);
      const { url = present.contexts[name]?.url, token = present.contexts[name]?.token } = session.options;
      if (url === undefined) throw new Failure("give its --url", exitCodes.usage);
      if (socketOf(url) === undefined) urlOf(url);
      const endpoint = { url, ...(token === undefined ? {} : { token }) };
      writeContexts(io.env, { current: name, contexts: { ...present.contexts, [name]: endpoint } });
      session.note(`Context ${name} is used from now on.`);
    });

  context
    .command("use <name>")
    .description("Use a context from now on")
    .action((name: string, _: object, command: Command) => {
      const { contexts } = readContexts(io.env);
      if (contexts[name] === undefined) throw unknownContext(name, contexts);
      writeContexts(io.env, { current: name, contexts });
      new Session(io, command).note(`Context ${name} is used from now on.`);
    });

  context
    .command("delete <name>")
    .alias("rm")
    .description("Forget a context")
    .action((name: string, _: object, command: Command) => {
      const { contexts, current } = readContexts(io.env);
      if (contexts[name] === undefined) throw unknownContext(name, contexts);
      const { [name]: _gone, ...rest } = contexts;
      writeContexts(io.env, {
        contexts: rest,
        ...(current === undefined || current === name ? {} : { current }),
      });
      new Session(io, command).note(`Context ${name} is forgotten.`);
    });
}

function unknownContext(name: string, contexts: object): Failure {
  const known = Object.keys(contexts).join(", ") || "none";
  return new Failure(`no context is called ${name}; there are: ${known}`, exitCodes.usage);
}
