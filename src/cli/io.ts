import { styleText } from "node:util";

/** What a command reads and writes. */
export interface Io {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly stdin: NodeJS.ReadStream;
  readonly env: NodeJS.ProcessEnv;
}

/** How wide a line of the terminal is; undefined where the output goes elsewhere. */
export function widthOf({ stdout, env }: Io): number | undefined {
  if (!stdout.isTTY) return undefined;
  return stdout.columns || Number(env["COLUMNS"]) || 80;
}

type Style = Parameters<typeof styleText>[0];

/** A text in a colour, where the stream is a terminal that takes colours (NO_COLOR, https://no-color.org). */
export function styled(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return styleText(style, text, { stream, validateStream: true });
}

/** A text of somebody else's without what moves a terminal's cursor or takes its colours; lines stay lines. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, " ");
}

/** Writes a line; waits while the reader takes its time. */
export function writeLine(io: Io, line: string): Promise<void> {
  return writeText(io, `${line}\n`);
}

/** The same of a text without its end. */
export async function writeText({ stdout }: Io, text: string): Promise<void> {
  if (stdout.write(text)) return;
  await new Promise((resolve) => stdout.once("drain", resolve));
}
