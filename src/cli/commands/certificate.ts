import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Certificate } from "../../model/api.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session, type Shown, toYaml } from "../session.ts";
import { endText } from "../words.ts";

const shown: Shown<Certificate> = {
  columns: [
    { title: "NAME", value: ({ id, name }) => name ?? id },
    { title: "STATE", value: ({ state }) => state },
    { title: "SOURCE", value: ({ source }) => source },
    { title: "NAMES", value: ({ names }) => names.join(" ") },
    { title: "ENDS", value: ({ not_after }) => not_after && endText(not_after, Date.now()) },
    { title: "WHY", value: ({ error }) => error?.message },
  ],
  name: ({ id, name }) => `certificate/${name ?? id}`,
  none: "There is no certificate.",
};

interface ImportOptions {
  readonly certificate: string;
  readonly key: string;
  readonly name?: string;
}

/** `gatewright cert`. */
export function addCertificateCommands(program: Command, io: Io): void {
  const certificate = program
    .command("cert")
    .alias("certificate")
    .description("Issued and imported certificates");

  certificate
    .command("list")
    .alias("ls")
    .description("List certificates with their state")
    .action(async (_: object, command: Command) => {
      const session = new Session(io, command);
      await session.list(session.api.pages<Certificate>("/certificates"), shown);
    });

  certificate
    .command("get <certificate>")
    .description("Show a certificate, by its id or name")
    .action(async (reference: string, _: object, command: Command) => {
      const session = new Session(io, command);
      const found = await session.api.get<Certificate>(pathOf(reference));
      const text = await toYaml(found);
      await session.show(
        found,
        () => text,
        () => shown.name(found),
      );
    });

  certificate
    .command("import")
    .description("Import a certificate chain and its key, or replace those of a name")
    .requiredOption("--certificate <file>", "PEM: the certificate, then those that sign it")
    .requiredOption("--key <file>", "PEM: its private key")
    .option("--name <name>", "by which rules refer to it")
    .action(async ({ certificate: path, key, name }: ImportOptions, command: Command) => {
      const session = new Session(io, command);
      const body = {
        certificate_pem: readPem(path),
        key_pem: readPem(key),
        ...(name === undefined ? {} : { name }),
      };
      const answer = await session.api.call<Certificate>({ method: "POST", path: "/certificates", body });
      const { id, names, not_after } = answer.body;
      await session.show(
        answer.body,
        () =>
          `Certificate ${name ?? id} for ${names.join(", ")} holds${not_after === undefined ? "" : ` until ${endText(not_after, Date.now())}`}.`,
        () => shown.name(answer.body),
      );
    });

  certificate
    .command("delete <certificate>")
    .alias("rm")
    .description("Delete an imported certificate that no rule uses")
    .option("-y, --yes", "without being asked")
    .action(async (reference: string, { yes }: { yes?: boolean }, command: Command) => {
      const session = new Session(io, command);
      await session.confirm(`Delete certificate ${reference}?`, yes);
      await session.api.call({ method: "DELETE", path: pathOf(reference) });
      session.note(`Certificate ${reference} is deleted.`);
    });
}

function pathOf(reference: string): string {
  return `/certificates/${encodeURIComponent(reference)}`;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
}
