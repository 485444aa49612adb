import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { ApiClient } from "./client.ts";
import { type EndpointOptions, endpointOf } from "./contexts.ts";
import { exitCodes, Failure } from "./failure.ts";
import { type Io, printable, styled, widthOf, writeLine, writeText } from "./io.ts";
import { type Column, tableOf } from "./table.ts";

/** Forms in which answers are written. */
export const outputForms = ["table", "json", "yaml", "name"] as const;

const PROGRESS_MS = 200;

/** Options of every command. */
export interface GlobalOptions extends EndpointOptions {
  readonly output: (typeof outputForms)[number];
  /** How long changes wait for all gateways. Default: they do not. */
  readonly wait?: string;
}

/** How a list is shown to people. */
export interface Shown<T> {
  readonly columns: readonly Column<T>[];
  /** What scripts call an entry: `ingress/shop`. */
  readonly name: (entry: T) => string;
  /** What is said when there is none. */
  readonly none: string;
}

/** One run of a command: whom it asks, and how it answers. */
export class Session {
  readonly io: Io;
  readonly options: GlobalOptions;

  constructor(io: Io, command: Command) {
    this.io = io;
    this.options = command.optsWithGlobals<GlobalOptions>();
  }

  get api(): ApiClient {
    const { wait } = this.options;
    const endpoint = endpointOf(this.options, this.io.env);
    if (wait === undefined) return new ApiClient(endpoint);
    const late = (names: string): void =>
      this.warn(
        names === "*"
          ? "whether other gateways serve it is not known: etcd does not answer"
          : `not served yet by: ${names}`,
      );
    return new ApiClient(endpoint, { time: wait, late });
  }

  line(text: string): Promise<void> {
    return writeLine(this.io, text);
  }

  /** For people only: it never mixes with what a script reads. */
  note(text: string): void {
    this.io.stderr.write(`${printable(text)}\n`);
  }

  warn(text: string): void {
    this.io.stderr.write(`${styled(this.io.stderr, "yellow", printable(text))}\n`);
  }

  /** The same chunks; on a terminal it tells how much has come, for as long as they come. */
  async *counting(chunks: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
    const { stderr } = this.io;
    let [bytes, toldMs] = [0, performance.now()];
    try {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (stderr.isTTY && performance.now() - toldMs > PROGRESS_MS) {
          stderr.write(`\r${what}: ${(bytes / 1_000_000).toFixed(1)} MB `);
          toldMs = performance.now();
        }
        yield chunk;
      }
    } finally {
      if (stderr.isTTY) stderr.write("\r\x1b[K");
    }
  }

  /** A value as scripts want it; `people` is what a terminal gets. */
  async show(value: unknown, people: () => string, name: () => string): Promise<void> {
    const { output } = this.options;
    if (output === "json") return this.line(JSON.stringify(value, null, 2));
    if (output === "yaml") return this.line(await toYaml(value));
    return this.line(printable(output === "name" ? name() : people()));
  }

  /** A list that comes in pages, and is written while they come, whatever its form. */
  async list<T>(pages: AsyncIterable<readonly T[]>, { columns, name, none }: Shown<T>): Promise<void> {
    const { output } = this.options;
    if (output === "json") return this.#listJson(pages);
    if (output === "yaml") return this.#listYaml(pages);
    let table: ReturnType<typeof tableOf<T>> | undefined;
    for await (const page of pages) {
      if (page.length === 0) continue;
      if (output === "name") {
        await this.line(page.map(name).join("\n"));
        continue;
      }
      if (table === undefined) {
        table = tableOf(columns, page, widthOf(this.io));
        await this.line(styled(this.io.stdout, "bold", table.head));
      }
      await this.line(page.map(table.row).join("\n"));
    }
    if (table === undefined && output === "table") this.note(none);
  }

  async #listJson(pages: AsyncIterable<readonly unknown[]>): Promise<void> {
    let before = "[\n";
    for await (const page of pages) {
      if (page.length === 0) continue;
      // As it would be within the whole: `JSON.stringify` of the page, without its brackets.
      this.io.stdout.write(before);
      await writeText(this.io, JSON.stringify(page, null, 2).slice(2, -2));
      before = ",\n";
    }
    return this.line(before === "[\n" ? "[]" : "\n]");
  }

  async #listYaml(pages: AsyncIterable<readonly unknown[]>): Promise<void> {
    let isEmpty = true;
    for await (const page of pages) {
      if (page.length === 0) continue;
      isEmpty = false;
      await this.line(await toYaml(page));
    }
    if (isEmpty) return this.line("[]");
  }

  /** Asks before something is lost. Without a terminal to ask at it takes `--yes`. */
  async confirm(question: string, yes: boolean | undefined): Promise<void> {
    if (yes === true) return;
    if (!this.io.stdin.isTTY || !this.io.stderr.isTTY)
      throw new Failure(`${question} Say --yes to do it without being asked.`, exitCodes.usage);
    const reader = createInterface({ input: this.io.stdin, output: this.io.stderr });
    const answer = await reader.question(`${question} [y/N] `).finally(() => reader.close());
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure("Nothing was changed.", exitCodes.failed);
  }
}

/** A list that came whole. */
export async function* onePage<T>(page: readonly T[]): AsyncGenerator<readonly T[]> {
  yield page;
}

/** Loaded when it is needed: most calls write no YAML. */
export async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value).trimEnd();
}
