import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { GatewrightError, isGatewrightError, type Problem } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import { PRIVATE_FILE_MODE, storeUnavailable, syncFolder } from "../store/durable.ts";
import type { Track } from "../util/track.ts";
import { invalidArchive, LARGEST_ARCHIVE } from "./archive-format.ts";
import { type ArchiveKind, countedKind, type KindName, kindNames } from "./archive-kind.ts";
import { type ArchiveContents, readArchive } from "./archive-reader.ts";
import type { ImportStep } from "./import-step.ts";

export interface ImporterOptions {
  /** DATA_DIR: what is imported is kept there until all of it is stored. */
  readonly folder: string;
  readonly kinds: readonly ArchiveKind[];
  /** What is in the way of an import beside documents of the kinds, in words. Default: nothing. */
  readonly alsoInTheWay?: () => readonly string[];
  readonly logger: Logger;
  readonly track: Track<ImportStep>;
}

/** An archive that was received and is good. */
export interface Received {
  readonly contents: ArchiveContents;
  /**
   * Stores all of it, or nothing. Nobody else may change anything meanwhile. Throws `not_empty`, and whatever a part throws that
   * does not take its documents.
   */
  commit(by: Attribution): Promise<void>;
  /** To be called in the end, whatever came of it. */
  discard(): Promise<void>;
}

/** An import that is under way: from its rename on it is made. */
const BEGUN = "import.ndjson";
/** One that is being taken back. */
const UNDOING = "import-undo.ndjson";

/**
 * Imports archives, all or nothing: the archive is written to DATA_DIR first, and a rename begins the import. From there on a
 * crash has the next start finish it. Where a part refuses its documents a second rename turns it round.
 */
export class Importer {
  readonly #options: ImporterOptions;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  /** Writes the bytes of an archive to the disk and checks all of it. Throws `archive_invalid`, `store_unavailable`. */
  async receive(bytes: AsyncIterable<Uint8Array>): Promise<Received> {
    const { folder, kinds, track } = this.#options;
    const path = join(folder, `.${BEGUN}.${randomBytes(6).toString("hex")}.tmp`);
    const discard = (): Promise<void> => rm(path, { force: true });
    try {
      const contents = await track("import-receive", async () => {
        await spool(path, bytes);
        return await readArchive(createReadStream(path), kinds);
      });
      return { contents, discard, commit: (by) => this.#commit(path, contents, by) };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  /** Ends what a crash left: at a start, before anybody else changes anything. Throws when it can be ended neither way. */
  async recover(): Promise<void> {
    const { folder, kinds, logger } = this.#options;
    for (const name of [UNDOING, BEGUN]) {
      const path = join(folder, name);
      if ((await stat(path).catch(() => undefined)) === undefined) continue;
      const contents = await readArchive(createReadStream(path), kinds).catch((error: unknown) => {
        throw storeUnavailable(`The import that was cut off cannot be ended: ${path}`, error);
      });
      if (name === UNDOING) await this.#undo(contents, ourselves);
      else
        await this.#finish(contents, ourselves).catch((error: unknown) => {
          // Its caller had no answer: nothing is as good as all.
          logger.error("an import that was cut off could not be finished, and was taken back", { error });
        });
      logger.info(`an import that was cut off is ${name === UNDOING ? "taken back" : "done"}`);
    }
  }

  async #commit(path: string, contents: ArchiveContents, by: Attribution): Promise<void> {
    const { folder, track } = this.#options;
    this.#checkEmpty();
    this.#checkKinds(contents);
    await track("import-begin", async () => {
      try {
        await rename(path, join(folder, BEGUN));
        await syncFolder(folder);
      } catch (error) {
        await rm(join(folder, BEGUN), { force: true });
        throw storeUnavailable("The archive could not be kept; nothing was changed", error);
      }
    });
    await this.#finish(contents, by);
  }

  #checkEmpty(): void {
    const { alsoInTheWay = () => [], kinds } = this.#options;
    const found = kinds.flatMap(({ list, name }) => {
      let count = 0;
      for (const _ of list()) count += 1;
      return count === 0 ? [] : [countedKind(name, count)];
    });
    const all = [...found, ...alsoInTheWay()];
    if (all.length === 0) return;
    throw new GatewrightError(
      "not_empty",
      `an archive is imported into an empty Gatewright, and here there are ${all.join(", ")}; nothing was changed. Delete them, or start with another DATA_DIR.`,
    );
  }

  #checkKinds({ documents }: ArchiveContents): void {
    const lacking = [...documents].filter(
      ([name, all]) => all.length > 0 && !this.#options.kinds.some((kind) => kind.name === name),
    );
    if (lacking.length === 0) return;
    const told = lacking.map(([name, all]) => countedKind(name, all.length)).join(", ");
    throw new GatewrightError(
      "source_read_only",
      `the archive has ${told}, which come from elsewhere here; nothing was changed. Set INSTANCE_SOURCE=registry to import it.`,
    );
  }

  /** Stores what is not there yet; takes everything back when a part of it is refused. */
  async #finish(contents: ArchiveContents, by: Attribution): Promise<void> {
    const { folder, track } = this.#options;
    try {
      for (const [kind, documents] of this.#parts(contents)) {
        const present = idsOf(kind);
        const missing = documents.filter(({ id }) => !present.has(id));
        if (missing.length > 0) await track(`import-${kind.name}`, () => kind.put(missing, by));
      }
    } catch (error) {
      await this.#takeBack(contents, by, error);
      throw placedRefusal(error);
    }
    await track("import-end", () => this.#end(join(folder, BEGUN)));
  }

  async #takeBack(contents: ArchiveContents, by: Attribution, reason: unknown): Promise<void> {
    const { folder, logger, track } = this.#options;
    try {
      await track("import-undo", async () => {
        await rename(join(folder, BEGUN), join(folder, UNDOING));
        await syncFolder(folder);
      });
      await this.#undo(contents, by);
    } catch (error) {
      logger.error("an import that was refused could not be taken back; the next start tries again", {
        error,
      });
      throw storeUnavailable(
        "The import was refused, and what it had stored is taken back at the next start",
        reason,
      );
    }
  }

  async #undo(contents: ArchiveContents, by: Attribution): Promise<void> {
    const { folder, track } = this.#options;
    for (const [kind, documents] of this.#parts(contents).toReversed()) {
      const present = idsOf(kind);
      const ids = documents.flatMap(({ id }) => (present.has(id) ? [id] : []));
      if (ids.length > 0) await track(`import-remove-${kind.name}`, () => kind.remove(ids, by));
    }
    await track("import-undone", () => this.#end(join(folder, UNDOING)));
  }

  /** Were it there after a crash, the next start would find nothing left to do. */
  async #end(path: string): Promise<void> {
    await rm(path, { force: true });
    await syncFolder(this.#options.folder);
  }

  #parts({
    documents,
  }: ArchiveContents): readonly (readonly [ArchiveKind, readonly { readonly id: string }[]])[] {
    return kindNames.flatMap((name: KindName) => {
      const kind = this.#options.kinds.find((one) => one.name === name);
      return kind === undefined ? [] : [[kind, documents.get(name) ?? []] as const];
    });
  }
}

function idsOf(kind: ArchiveKind): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { id } of kind.list()) ids.add(id);
  return ids;
}

/** A document that fits, and is refused all the same, is a matter of the archive. */
function placedRefusal(error: unknown): unknown {
  if (!isGatewrightError(error) || error.code === "store_unavailable") return error;
  const details: readonly Problem[] = error.details;
  return new GatewrightError(
    error.code,
    `the archive was not imported, and nothing was changed: ${error.message}`,
    {
      details,
      cause: error,
    },
  );
}

async function spool(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let length = 0;
  let file: FileHandle | undefined;
  try {
    file = await open(path, "wx", PRIVATE_FILE_MODE);
    for await (const chunk of bytes) {
      length += chunk.length;
      if (length > LARGEST_ARCHIVE) throw invalidArchive(`it is larger than ${LARGEST_ARCHIVE} bytes`);
      await file.writeFile(chunk);
    }
    await file.sync();
  } catch (error) {
    throw isGatewrightError(error) ? error : storeUnavailable("The archive could not be written", error);
  } finally {
    await file?.close();
  }
}
