import { type FSWatcher, watch as watchFolder } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve as resolvePath } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import { readInstances } from "./instance-reader.ts";
import type { InstanceResolver, Reference, Resolution, ResolverChange } from "./instance-resolver.ts";
import { type SourceStatus, SourceView } from "./source-view.ts";

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
export class FileResolver implements InstanceResolver {
  readonly #path: string;
  readonly #intervalMs: number;
  readonly #logger: Logger;
  readonly #view: SourceView;
  readonly #closing = new AbortController();
  #watcher: FSWatcher | undefined;
  #running: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #content: string | undefined;

  constructor(options: InstanceFileOptions) {
    this.#path = resolvePath(options.path);
    this.#intervalMs = options.intervalMs ?? 5000;
    this.#logger = options.logger;
    this.#view = new SourceView("instance file", options.logger);
  }

  /** Returns after the first look at the file; a missing or wrong one is reported by `status()`, not thrown. */
  async start(): Promise<void> {
    this.#watchFolder();
    await this.#look();
    this.#running = this.#follow();
  }

  resolve(name: string): Resolution {
    return this.#view.resolve(name);
  }

  async reference(reference: string): Promise<Reference> {
    const known = this.#view.reference(reference);
    if (known.kind !== "unknown" && known.kind !== "unavailable") return known;
    await this.#look();
    return this.#view.reference(reference);
  }

  list(): readonly Instance[] {
    return this.#view.list();
  }

  watch(listener: (change: ResolverChange) => void): () => void {
    return this.#view.watch(listener);
  }

  status(): SourceStatus {
    return this.#view.status();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#watcher?.close();
    await this.#running;
    await this.#reading;
    this.#view.close();
  }

  /** The folder, not the file: a rename over the file, and a swapped symbolic link, leave a file watch on the old one. */
  #watchFolder(): void {
    if (this.#watcher !== undefined || this.#closing.signal.aborted) return;
    try {
      this.#watcher = watchFolder(dirname(this.#path), { persistent: false }, () => void this.#look());
      this.#watcher.on("error", (error) => this.#unwatch(error));
    } catch (error) {
      this.#unwatch(error);
    }
  }

  /** The looks at intervals go on, and try to watch again. */
  #unwatch(error: unknown): void {
    this.#logger.debug("the folder of the instance file cannot be watched", { path: this.#path, error });
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #follow(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await delay(this.#intervalMs, undefined, { signal: this.#closing.signal, ref: false }).catch(
        () => undefined,
      );
      if (this.#closing.signal.aborted) return;
      this.#watchFolder();
      await this.#look();
    }
  }

  /** Reads the file; a call during a read makes one more read, since the first may have seen the old content. */
  #look(): Promise<void> {
    if (this.#reading === undefined) this.#reading = this.#readUntilQuiet();
    else this.#readAgain = true;
    return this.#reading;
  }

  async #readUntilQuiet(): Promise<void> {
    do {
      this.#readAgain = false;
      await this.#read();
    } while (this.#readAgain && !this.#closing.signal.aborted);
    this.#reading = undefined;
  }

  async #read(): Promise<void> {
    try {
      const content = await readFile(this.#path, "utf8");
      if (content === this.#content) return this.#view.confirm();
      const { instances, problems } = readInstances(parse(content));
      if (problems.length > 0)
        throw new Error(`${problems.length} wrong entries: ${problems.slice(0, 5).join("; ")}`);
      this.#view.accept(instances);
      this.#content = content;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#view.fail(`${this.#path}: ${reason}`, Number.POSITIVE_INFINITY);
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
