import type { Command } from "commander";
import type { Instance, InstanceTraffic } from "../../model/api.ts";
import type { Io } from "../io.ts";
import { Session, type Shown, toYaml } from "../session.ts";
import { pairsOf, tagsText } from "../words.ts";
import { collect } from "./shared.ts";

const shown: Shown<Instance> = {
  columns: [
    { title: "NAME", value: ({ name }) => name },
    { title: "STATE", value: ({ state }) => state },
    { title: "ADDRESS", value: ({ network }) => network.ip ?? undefined },
    { title: "SERVICE", value: ({ service }) => service },
    { title: "TAGS", value: (instance) => tagsText(instance) || undefined },
  ],
  name: ({ name }) => `instance/${name}`,
  none: "There is no such instance. `gatewright instance put` registers one.",
};

interface PutOptions {
  readonly ip: string;
  readonly service?: string;
  readonly tag: readonly string[];
}

/** `gatewright instance`. */
export function addInstanceCommands(program: Command, io: Io): void {
  const instance = program.command("instance").alias("instances").description("Where the instances are");

  instance
    .command("list")
    .alias("ls")
    .description("List instances by ascending name")
    .option("--tag <key=value>", "with this tag; may be repeated", collect, [])
    .action(async ({ tag }: { tag: readonly string[] }, command: Command) => {
      const query = new URLSearchParams(
        Object.entries(pairsOf(tag)).map(([key, value]): [string, string] => [`tags[${key}]`, value]),
      );
      const session = new Session(io, command);
      await session.list(session.api.pages<Instance>(`/instances?${query}`), shown);
    });

  instance
    .command("get <instance>")
    .description("Show an instance")
    .action(async (reference: string, _: object, command: Command) => {
      const session = new Session(io, command);
      const found = await session.api.get<Instance>(pathOf(reference));
      const text = await toYaml(found);
      await session.show(
        found,
        () => text,
        () => shown.name(found),
      );
    });

  instance
    .command("put <name>")
    .description("Register an instance, or change where it is")
    .requiredOption("--ip <address>", "its address")
    .option("--service <service>", "the service that it belongs to")
    .option("--tag <key=value>", "may be repeated", collect, [])
    .action(async (name: string, { ip, service, tag }: PutOptions, command: Command) => {
      const session = new Session(io, command);
      const body = {
        network: { ip },
        ...(service === undefined ? {} : { service }),
        ...(tag.length === 0 ? {} : { tags: pairsOf(tag) }),
      };
      const answer = await session.api.call<Instance>({ method: "PUT", path: pathOf(name), body });
      await session.show(
        answer.body,
        () => `Instance ${name} is at ${ip}.`,
        () => shown.name(answer.body),
      );
    });

  instance
    .command("delete <instance>")
    .alias("rm")
    .description("Take an instance out of the registry")
    .option("-y, --yes", "without being asked")
    .action(async (reference: string, { yes }: { yes?: boolean }, command: Command) => {
      const session = new Session(io, command);
      const { name } = await session.api.get<Instance>(pathOf(reference));
      await session.confirm(`Delete instance ${name}?`, yes);
      await session.api.call({ method: "DELETE", path: pathOf(reference) });
      session.note(`Instance ${name} is deleted.`);
    });

  const modes = [
    { verb: "drain", mode: "drain", does: "Give an instance no new requests; those under way are finished" },
    { verb: "pause", mode: "pause", does: "Have requests to an instance wait" },
    { verb: "resume", mode: "active", does: "Give a drained or paused instance requests again" },
  ] as const;
  for (const { verb, mode, does } of modes)
    instance
      .command(`${verb} <instance>`)
      .description(does)
      .action(async (reference: string, _: object, command: Command) => {
        const session = new Session(io, command);
        const call = { method: "PUT", path: `${pathOf(reference)}/traffic`, body: { mode } };
        const { body } = await session.api.call<InstanceTraffic>(call);
        await session.show(
          body,
          () => `Instance ${reference} is ${mode === "active" ? mode : `${mode}ed`.replace("eed", "ed")}.`,
          () => `instance/${reference}`,
        );
      });
}

function pathOf(reference: string): string {
  return `/instances/${encodeURIComponent(reference)}`;
}
