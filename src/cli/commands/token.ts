import type { Command } from "commander";
import type { CreateTokenRequest, Token } from "../../model/api.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session, type Shown } from "../session.ts";
import { collect } from "./shared.ts";

const shown: Shown<Token> = {
  columns: [
    { title: "NAME", value: ({ name }) => name },
    { title: "SUBJECT", value: ({ subject }) => subject },
    { title: "SCOPES", value: ({ scopes }) => scopes.join(" ") },
    { title: "LIMITS", value: ({ limits }) => (limits === undefined ? undefined : JSON.stringify(limits)) },
    { title: "ENDS", value: ({ expires_at }) => expires_at?.slice(0, 16) },
    { title: "USED", value: ({ last_used_at }) => last_used_at?.slice(0, 16) },
  ],
  name: ({ name }) => `token/${name}`,
  none: "There is no token. `gatewright token create` makes one.",
};

interface CreateOptions {
  readonly scope: readonly string[];
  readonly subject?: string;
  readonly expiresIn?: string;
  readonly own: boolean;
  readonly hostname: readonly string[];
  readonly instance: readonly string[];
  readonly port: readonly string[];
  readonly policy: readonly string[];
  readonly certificate: readonly string[];
}

/** `gatewright token`. */
export function addTokenCommands(program: Command, io: Io): void {
  const token = program.command("token").alias("tokens").description("Tokens of the API that are made here");

  token
    .command("list")
    .alias("ls")
    .description("List tokens with what they are for and when they were last used")
    .action(async (_: object, command: Command) => {
      const session = new Session(io, command);
      await session.list(session.api.pages<Token>("/tokens"), shown);
    });

  token
    .command("create <name>")
    .description("Make a token; its text is shown this once")
    .requiredOption("--scope <scope>", "what it is for, such as ingress:read; may be repeated", collect, [])
    .option("--subject <subject>", "who makes changes with it; default: its name")
    .option("--expires-in <duration>", "it ends so much later, such as 720h")
    .option("--own", "limit it to the ingresses of its subject", false)
    .option(
      "--hostname <pattern>",
      "limit it to hostnames such as *.team.example.com; may be repeated",
      collect,
      [],
    )
    .option("--instance <name>", "limit it to instances; may be repeated", collect, [])
    .option("--port <port>", "limit it to listen ports; may be repeated", collect, [])
    .option("--policy <policy>", "limit it to policies; may be repeated", collect, [])
    .option("--certificate <name>", "limit it to imported certificates; may be repeated", collect, [])
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const session = new Session(io, command);
      const body = requestOf(name, options);
      const answer = await session.api.call<Token>({ method: "POST", path: "/tokens", body });
      session.note(`Token ${name} is made. It is not shown again:`);
      await session.show(
        answer.body,
        () => answer.body.token ?? "",
        () => shown.name(answer.body),
      );
    });

  token
    .command("delete <token>")
    .alias("rm")
    .description("Delete a token, by its id or name; it is taken no more at once")
    .option("-y, --yes", "without being asked")
    .action(async (reference: string, { yes }: { yes?: boolean }, command: Command) => {
      const session = new Session(io, command);
      await session.confirm(`Delete token ${reference}?`, yes);
      await session.api.call({ method: "DELETE", path: `/tokens/${encodeURIComponent(reference)}` });
      session.note(`Token ${reference} is deleted.`);
    });
}

/** Gatewright itself says which scopes there are. */
function requestOf(name: string, options: CreateOptions): CreateTokenRequest {
  const { certificate, expiresIn, hostname, instance, own, policy, port, scope, subject } = options;
  const given = {
    hostnames: hostname,
    instances: instance,
    ports: port.map(portOf),
    policies: policy,
    certificates: certificate,
  };
  const limits = Object.fromEntries(Object.entries(given).filter(([, values]) => values.length > 0));
  return {
    name,
    scopes: scope as CreateTokenRequest["scopes"],
    ...(subject === undefined ? {} : { subject }),
    ...(expiresIn === undefined ? {} : { expires_in: expiresIn }),
    ...(own || Object.keys(limits).length > 0 ? { limits } : {}),
  };
}

function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new Failure(`--port ${text} is no port: give a number`, exitCodes.usage);
}
