import type { Command } from "commander";
import type { Event, Gateway, Readiness, RunningConfig, ServerStatus } from "../../model/api.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session, type Shown, toYaml } from "../session.ts";
import { counted } from "../words.ts";
import { wholeNumber } from "./revision.ts";
import { collect } from "./shared.ts";

interface EventOptions {
  readonly follow?: boolean;
  readonly type: readonly string[];
  readonly ingress?: string;
  readonly instance?: string;
  readonly limit: number;
}

const shownGateway: Shown<Gateway> = {
  columns: [
    { title: "NAME", value: ({ name }) => name },
    { title: "READY", value: ({ ready }) => (ready ? "yes" : "no") },
    { title: "REVISION", value: ({ revision }) => String(revision) },
    { title: "VERSION", value: ({ version }) => version },
    { title: "SINCE", value: ({ started_at }) => started_at.slice(0, 16) },
    { title: "ANSWERS", value: ({ answering }) => (answering ? "yes" : undefined) },
  ],
  name: ({ name }) => `gateway/${name ?? "-"}`,
  none: "There is no gateway.",
};

/** `gatewright status`, `gateways`, `events`, `config` and `api`. */
export function addServerCommands(program: Command, io: Io): void {
  program
    .command("status")
    .description("Whether all is well, and what is not")
    .action(async (_: object, command: Command) => {
      const session = new Session(io, command);
      const [status, ready] = await Promise.all([
        session.api.get<ServerStatus>("/status"),
        session.api.get<Readiness>("/ready").catch(() => undefined),
      ]);
      await session.show(
        status,
        () => statusText(status, ready),
        () => status.status,
      );
      if (status.status !== "ok") process.exitCode = exitCodes.failed;
    });

  program
    .command("gateways")
    .description("The gateways that share a store, and what each serves")
    .action(async (_: object, command: Command) => {
      const session = new Session(io, command);
      await session.list(session.api.pages<Gateway>("/gateways"), shownGateway);
    });

  program
    .command("events")
    .description("What happened, the newest last")
    .option("-f, --follow", "go on with what happens")
    .option("--type <type>", "only of this type; may be repeated", collect, [])
    .option("--ingress <ingress>", "only of this ingress")
    .option("--instance <instance>", "only of this instance")
    .option("--limit <number>", "how many of those that happened before", wholeNumber, 20)
    .action(async (options: EventOptions, command: Command) => {
      const session = new Session(io, command);
      let last = 0;
      const before = await session.api.get<readonly Event[]>(
        `/events?${eventQuery(options, { limit: String(options.limit), follow: "false" })}`,
      );
      for (const event of before.toReversed()) {
        last = event.id;
        await session.line(await eventLine(session, event));
      }
      if (options.follow === true) await follow(session, options, last);
    });

  program
    .command("config")
    .description("Show what Caddy runs, without secrets")
    .option("--hostname <hostname>", "only rules of this hostname")
    .option("--ingress <ingress>", "only rules of this ingress")
    .action(async (options: { hostname?: string; ingress?: string }, command: Command) => {
      const session = new Session(io, command);
      const running = await session.api.get<RunningConfig>(`/config?${new URLSearchParams({ ...options })}`);
      const text = await toYaml(running);
      await session.show(
        running,
        () => text,
        () => running.rows.map((row) => String(row["id"])).join("\n"),
      );
    });

  program
    .command("api <method> <path>")
    .description("Make any call of the API and write its answer as it comes")
    .option("-d, --data <text>", "body; - reads the standard input")
    .option("--type <media-type>", "of the body", "application/json")
    .action(
      async (
        method: string,
        path: string,
        { data, type }: { data?: string; type: string },
        command: Command,
      ) => {
        const session = new Session(io, command);
        const body = data === "-" ? await readAll(io.stdin) : data;
        const call = { method: method.toUpperCase(), path: path.startsWith("/") ? path : `/${path}` };
        const answer = await session.api.open(body === undefined ? call : { ...call, body, type });
        for await (const chunk of answer)
          if (!io.stdout.write(chunk)) await new Promise((go) => io.stdout.once("drain", go));
      },
    );
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

function statusText(
  { certificates, draining, ingresses, problems, status, uptime_seconds, version }: ServerStatus,
  ready: Readiness | undefined,
): string {
  const lines = [
    `${status === "ok" ? "✓ all is well" : "✗ something wants attention"}${ready === undefined ? ", and requests are not served as they should be" : ""}`,
    ...problems.map((problem) => `  ${problem}`),
    `version ${version}, up ${Math.floor(uptime_seconds / 60)} min, ${counted(ingresses, "ingress")}`,
    `certificates: ${
      Object.entries(certificates)
        .filter(([, count]) => count > 0)
        .map(([state, count]) => `${count} ${state}`)
        .join(", ") || "none"
    }`,
  ];
  for (const { pid, until } of draining)
    lines.push(`an older Caddy (${pid}) ends its requests until ${until}`);
  return lines.join("\n");
}

function eventQuery(
  { ingress, instance, type }: EventOptions,
  more: { readonly [key: string]: string },
): URLSearchParams {
  const query = new URLSearchParams(more);
  if (type.length > 0) query.set("type", type.join(","));
  if (ingress !== undefined) query.set("ingress", ingress);
  if (instance !== undefined) query.set("instance", instance);
  return query;
}

async function eventLine(session: Session, event: Event): Promise<string> {
  const { output } = session.options;
  if (output === "json") return JSON.stringify(event);
  if (output === "yaml") return `---\n${await toYaml(event)}`;
  if (output === "name") return `event/${event.id}`;
  const who = event.actor === undefined ? "" : ` (${event.actor.subject})`;
  return `${event.time} ${event.type}: ${event.message}${who}`.replace(/\p{Cc}+/gu, " ");
}

/** Goes on where a stream broke off, until the program is ended. */
async function follow(session: Session, options: EventOptions, from: number): Promise<never> {
  let last = from;
  for (;;) {
    try {
      const path = `/events?${eventQuery(options, last === 0 ? {} : { since: String(last) })}`;
      const stream = await session.api.open({ path, headers: { Accept: "text/event-stream" } });
      for await (const event of eventsIn(stream)) {
        last = event.id;
        await session.line(await eventLine(session, event));
      }
    } catch (error) {
      if (error instanceof Failure && error.exitCode !== exitCodes.unavailable) throw error;
      session.warn("The connection is lost; trying again.");
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** The events of a stream of server-sent ones. */
async function* eventsIn(stream: AsyncIterable<Buffer>): AsyncGenerator<Event> {
  let rest = "";
  for await (const chunk of stream) {
    rest += chunk.toString();
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []));
      if (data.length === 0) continue;
      const event = JSON.parse(data.join("\n")) as Event;
      if (event.id !== undefined) yield event;
    }
  }
}
