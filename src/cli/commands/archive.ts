import { createReadStream, readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { Command } from "commander";
import type { ImportResult } from "../../model/api.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { withMessage } from "./shared.ts";

interface ArchiveOptions {
  readonly passphraseFile?: string;
  readonly message?: string;
}

/** `gatewright export` and `gatewright import`. */
export function addArchiveCommands(program: Command, io: Io): void {
  withPassphrase(
    program
      .command("export")
      .description("Write everything that is not derived to one file, as it is at this moment"),
    "the archive is encrypted by the first line of this file; needed where there are imported certificates",
  )
    .option("--file <path>", "where to; - is the standard output", "-")
    .option("--message <text>", "why, for the events")
    .action(async ({ file, ...options }: ArchiveOptions & { file: string }, command: Command) => {
      const session = new Session(io, command);
      await exportTo(session, file, options);
    });

  withPassphrase(
    program
      .command("import <file>")
      .description(
        "Import an archive into an empty Gatewright: all of it, or nothing; - is the standard input",
      ),
    "the first line of this file is the archive's passphrase",
  )
    .option("--message <text>", "why, for the events")
    .action(async (path: string, options: ArchiveOptions, command: Command) => {
      const session = new Session(io, command);
      await importFrom(session, path, options);
    });
}

function withPassphrase(command: Command, description: string): Command {
  return command.option("--passphrase-file <path>", description);
}

async function exportTo(session: Session, path: string, options: ArchiveOptions): Promise<void> {
  const { stdout } = session.io;
  const passphrase = readPassphrase(options);
  if (path === "-" && stdout.isTTY)
    throw new Failure(
      "an archive is not for a terminal: give --file, or redirect the output",
      exitCodes.usage,
    );
  const ask = (): Promise<AsyncIterable<Uint8Array>> =>
    session.api.open({
      method: "POST",
      path: withMessage("/export", options.message),
      body: passphrase === undefined ? {} : { passphrase },
    });
  if (path === "-") return writeAll(await ask(), (chunk) => written(stdout, chunk));
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await using file = await open(temporary, "wx", 0o600);
    const chunks = session.counting(await ask(), "Exported");
    await writeAll(chunks, async (chunk) => void (await file.writeFile(chunk)));
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof Failure
      ? error
      : new Failure(`${path} cannot be written: ${(error as Error).message}`, exitCodes.failed);
  }
  session.note(`Everything is in ${path}${passphrase === undefined ? "" : ", encrypted"}.`);
}

/** An answer that is cut off is no archive. */
async function writeAll(
  answer: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const chunk of whole(answer)) await write(chunk);
}

async function* whole(answer: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* answer;
  } catch (error) {
    throw new Failure(
      `the archive was cut off: ${(error as Error).message}; try again`,
      exitCodes.unavailable,
    );
  }
}

async function written(stdout: NodeJS.WriteStream, chunk: Uint8Array): Promise<void> {
  if (!stdout.write(chunk)) await new Promise((resolve) => stdout.once("drain", resolve));
}

async function importFrom(session: Session, path: string, options: ArchiveOptions): Promise<void> {
  const source = path === "-" ? session.io.stdin : createReadStream(path);
  const { body } = await session.api.call<ImportResult>({
    method: "POST",
    path: withMessage("/import", options.message),
    type: "application/octet-stream",
    stream: session.counting(withPassphraseLine(source, path, readPassphrase(options)), "Sent"),
  });
  await session.show(
    body,
    () => resultText(body),
    () => "",
  );
}

/** See `POST /import`: the passphrase must stand in no URL and no header, which others may log. */
async function* withPassphraseLine(
  source: AsyncIterable<Uint8Array>,
  path: string,
  passphrase: string | undefined,
): AsyncGenerator<Uint8Array> {
  if (passphrase !== undefined) yield Buffer.from(`${JSON.stringify({ passphrase })}\n`);
  try {
    yield* source;
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
}

/** The first line, as editors end files with one. */
function readPassphrase({ passphraseFile: path }: ArchiveOptions): string | undefined {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
  const [line = ""] = text.split(/\r?\n/);
  if (line === "") throw new Failure(`${path} has no passphrase in its first line`, exitCodes.usage);
  return line;
}

function resultText(result: ImportResult): string {
  const { certificates, drained_or_paused, exported_at, ingresses, instances, set_aside, tokens } = result;
  const lines = [
    `The archive of ${exported_at} is imported: ${ingresses} ingresses, ${instances} instances (${drained_or_paused} of them drained or paused), ${certificates} certificates, ${tokens} tokens.`,
  ];
  if (set_aside.length > 0)
    lines.push(`Not imported, since they were not served there: ${set_aside.join(", ")}.`);
  const names = result.settings_not_given;
  if (names.length > 0) lines.push(`Settings that were given there and are not here: ${names.join(", ")}.`);
  return lines.join("\n");
}
