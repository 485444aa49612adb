import { type FSWatcher, watch as watchFolder } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve as resolvePath } from "node:path";
import type { Logger } from "../log.ts";
import { readInstances } from "./instance-reader.ts";
import { SourceView } from "./source-view.ts";

/** How an instance file is followed. */
export interface InstanceFileOptions {
  /** A JSON array of instances in hypeman's form. */
  readonly path: string;
  /** Time between two looks at the file besides the system's notices, which network file systems do not send. Default: 5000. */
  readonly intervalMs?: number;
  readonly logger: Logger;
}

/**
 * Instances from a file that is watched. A file that is missing, half written or wrong changes nothing: the last good
 * content stays for as long as it takes, and `status()` says why.
 */
export class FileResolver extends SourceView {
  readonly #path: string;
  readonly #intervalMs: number;
  #watcher: FSWatcher | undefined;
  #running: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #content: string | undefined;

  constructor(options: InstanceFileOptions) {
    super("instance file", options.logger);
    this.#path = resolvePath(options.path);
    this.#intervalMs = options.intervalMs ?? 5000;
  }

  async start(): Promise<void> {
    this.#watchFolder();
    await this.fetch();
    this.#running = this.#follow();
  }

  override async close(): Promise<void> {
    this.closing.abort();
    this.#watcher?.close();
    await this.#running;
    await this.#reading;
    await super.close();
  }

  /** The folder, not the file: a rename over the file, and a swapped symbolic link, leave a file watch on the old one. */
  #watchFolder(): void {
    if (this.#watcher !== undefined || this.closing.signal.aborted) return;
    try {
      this.#watcher = watchFolder(dirname(this.#path), { persistent: false }, () => void this.fetch());
      this.#watcher.on("error", (error) => this.#unwatch(error));
    } catch (error) {
      this.#unwatch(error);
    }
  }

  /** The looks at intervals go on, and try to watch again. */
  #unwatch(error: unknown): void {
    this.logger.debug("the folder of the instance file cannot be watched", { path: this.#path, error });
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #follow(): Promise<void> {
    while (!this.closing.signal.aborted) {
      await this.pause(this.#intervalMs);
      if (this.closing.signal.aborted) return;
      this.#watchFolder();
      await this.fetch();
    }
  }

  /** Reads the file; a call during a read makes one more read, since the first may have seen the old content. */
  protected fetch(): Promise<void> {
    if (this.#reading === undefined) this.#reading = this.#readUntilQuiet();
    else this.#readAgain = true;
    return this.#reading;
  }

  async #readUntilQuiet(): Promise<void> {
    do {
      this.#readAgain = false;
      await this.#read();
    } while (this.#readAgain && !this.closing.signal.aborted);
    this.#reading = undefined;
  }

  async #read(): Promise<void> {
    try {
      const content = await readFile(this.#path, "utf8");
      if (content === this.#content) return this.confirm();
      const { instances, problems } = readInstances(parse(content));
      if (problems.length > 0)
        throw new Error(`${problems.length} wrong entries: ${problems.slice(0, 5).join("; ")}`);
      this.accept(instances);
      this.#content = content;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.fail(`${this.#path}: ${reason}`, Number.POSITIVE_INFINITY);
    }
  }
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new Error(`not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}
