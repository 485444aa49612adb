import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";

/** How long something that was typed may take to show. */
const PATIENCE_MS = 20_000;

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Default: 100. */
  readonly columns?: number;
}

/** A shell in a pseudo-terminal, as a person has it. */
export class Terminal {
  readonly #child: ChildProcess;
  #output = "";
  /** Where what has not been seen yet begins. */
  #seen = 0;
  #wake: () => void = () => undefined;

  /** Resolves when the shell takes what is typed: before, the terminal itself would write it. */
  static async open(options: TerminalOptions): Promise<Terminal> {
    const terminal = new Terminal(options);
    await terminal.see("$ ");
    return terminal;
  }

  private constructor(options: TerminalOptions) {
    const { columns = 100, cwd, env } = options;
    const shell = `stty cols ${columns} -echo; exec bash --norc --noprofile --noediting -i`;
    this.#child = spawn("script", ["-qec", shell, "/dev/null"], {
      cwd,
      env: { TERM: "xterm-256color", PS1: "$ ", ...env },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output += stripVTControlCharacters(chunk.toString()).replaceAll("\r", "");
      this.#wake();
    });
  }

  /** Types a line. */
  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Waits until a text shows that was not seen before, and returns what stood before it and itself. */
  async see(text: string): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const at = this.#output.indexOf(text, this.#seen);
      if (at !== -1) {
        const before = this.#output.slice(this.#seen, at + text.length);
        this.#seen = at + text.length;
        return before;
      }
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(
          `the terminal does not show ${JSON.stringify(text)}:\n${this.#output.slice(this.#seen)}`,
        );
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
    }
  }

  /** Types a command, waits for its end, and returns what it wrote; a status of 0 is demanded unless another is given. */
  async run(command: string, status = 0): Promise<string> {
    this.type(`${command}; echo "ended with $?."`);
    return this.end(status);
  }

  /** Waits for the end of a command that was typed by `begin`. */
  async end(status = 0): Promise<string> {
    const text = await this.see("ended with ");
    const code = await this.see(".");
    if (code !== `${status}.`) throw new Error(`it ended with ${code} instead of ${status}:\n${text}`);
    return text.slice(0, -"ended with ".length).replace(/^\n\$ /, "");
  }

  /** Types a command that asks something before it ends. */
  begin(command: string): void {
    this.type(`${command}; echo "ended with $?."`);
  }

  /** Ends what runs, as Ctrl-C does, and waits for the shell. */
  async interrupt(): Promise<void> {
    this.#child.stdin?.write("\u0003");
    await this.see("$ ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    // The terminal is gone with it, and the kernel tells the shell and what it runs (SIGHUP).
    this.#child.kill("SIGKILL");
    await ended;
  }
}
