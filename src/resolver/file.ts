import { type FSWatcher, watch as watchFolder } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve as resolvePath } from "node:path";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import { readInstances } from "./instance-reader.ts";
import { type SourceOptions, SourceView } from "./source-view.ts";

/** How an instance file is followed. */
export interface InstanceFileOptions {
  /** A JSON array of instances in hypeman's form. */
  readonly path: string;
  /** Time between two looks at the file besides the system's notices, which network file systems do not send. Default: 5000. */
  readonly intervalMs?: number;
  readonly track?: SourceOptions["track"];
  readonly events?: SourceOptions["events"];
  readonly logger: Logger;
}

/**
 * Instances from a file that is watched. A file that is missing, half written or wrong changes nothing: the last good
 * content stays for as long as it takes, and `status()` says why.
 */
export class FileResolver extends SourceView {
  readonly #path: string;
  #watcher: FSWatcher | undefined;
  #content: string | undefined;

  constructor({ path, intervalMs = 5000, events, logger, track }: InstanceFileOptions) {
    super({ source: "instance file", intervalMs, events, logger, track });
    this.#path = resolvePath(path);
  }

  protected async fetch(): Promise<readonly Instance[] | undefined> {
    this.#watchFolder();
    try {
      const content = await readFile(this.#path, "utf8");
      if (content === this.#content) return undefined;
      const { instances, problems } = readInstances(parse(content));
      if (problems.length > 0)
        throw new Error(`${problems.length} wrong entries: ${problems.slice(0, 5).join("; ")}`);
      this.#content = content;
      return instances;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.#path}: ${reason}`, { cause: error });
    }
  }

  /** The folder, not the file: a rename over the file, and a swapped symbolic link, leave a file watch on the old one. */
  #watchFolder(): void {
    if (this.#watcher !== undefined) return;
    const how = { persistent: false, signal: this.closed };
    try {
      this.#watcher = watchFolder(dirname(this.#path), how, () => void this.refetch());
      this.#watcher.on("error", (error) => this.#unwatch(error));
    } catch (error) {
      this.#unwatch(error);
    }
  }

  /** The next fetch tries to watch again. */
  #unwatch(error: unknown): void {
    this.logger.debug("the folder of the instance file cannot be watched", { path: this.#path, error });
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new Error(`not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}
