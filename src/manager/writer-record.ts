import { readFile } from "node:fs/promises";
import { systemCode, writeDurably } from "../store/durable.ts";

/** Whose ingresses are stored here: the Gatewright at this URL, and the id of its store. */
export interface FollowedWriter {
  readonly url: string;
  readonly store: string;
}

/** Remembers across restarts whose ingresses are stored here, in a file of its own. */
export class WriterRecord {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined when no Gatewright was followed yet. Throws the operating system's errors. */
  async read(): Promise<FollowedWriter | undefined> {
    try {
      const { url, store } = JSON.parse(await readFile(this.#path, "utf8")) as Partial<FollowedWriter>;
      return typeof url === "string" && typeof store === "string" ? { url, store } : undefined;
    } catch (error) {
      if (systemCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Throws `store_unavailable`. */
  write(writer: FollowedWriter): Promise<void> {
    return writeDurably(this.#path, `${JSON.stringify(writer)}\n`);
  }
}
