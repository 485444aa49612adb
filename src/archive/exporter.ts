import { createHash, type Hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { GatewrightError } from "../errors.ts";
import type { SetAsideIngress } from "../model/api.ts";
import type { Document } from "../store/document-store.ts";
import { ARCHIVE_FORMAT, type ArchiveEnd, type ArchiveHeader } from "./archive-format.ts";
import { type ArchiveKind, type KindCounts, kindNames } from "./archive-kind.ts";

export interface ExporterOptions {
  readonly kinds: readonly ArchiveKind[];
  /** Ingresses that are stored and not served: told in the archive, and not imported. */
  readonly setAside: () => readonly SetAsideIngress[];
  readonly version: string;
  /** Names of the settings that were given. */
  readonly settings: readonly string[];
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** Texts are gathered to about so many characters. */
const PIECE = 64 * 1024;
/** After so many documents everything else has its turn. */
const SLICE = 100;

interface Begun {
  readonly kind: ArchiveKind;
  readonly iterator: Iterator<Document>;
  readonly first: IteratorResult<Document>;
}

/** Writes archives of what is stored. */
export class Exporter {
  readonly #options: ExporterOptions;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Throws `bad_request` where there are keys, which nobody may read. */
  checkPlain(): void {
    const certificates = this.#options.kinds.find(({ name }) => name === "certificate");
    if (certificates === undefined || isEmpty(certificates.list())) return;
    const message =
      "imported certificates have private keys: give a passphrase, by which the archive is encrypted";
    throw new GatewrightError("bad_request", `invalid request: ${message}`, {
      details: [{ code: "required", field: "passphrase", message }],
    });
  }

  /**
   * The archive of the moment of this call, in texts, while changes go on: what is in memory is what is committed, and every
   * list is begun before anything else can happen.
   */
  archive(): AsyncGenerator<string> {
    const begun = this.#options.kinds.map((kind): Begun => {
      const iterator = kind.list()[Symbol.iterator]();
      return { kind, iterator, first: iterator.next() };
    });
    return gathered(this.#lines(begun, this.#options.setAside()));
  }

  async *#lines(begun: readonly Begun[], setAside: readonly SetAsideIngress[]): AsyncGenerator<string> {
    const { now = () => new Date(), settings, version } = this.#options;
    const hash = createHash("sha256");
    const counts = Object.fromEntries(kindNames.map((name) => [name, 0])) as Record<keyof KindCounts, number>;
    try {
      const exportedAt = now().toISOString();
      const header: ArchiveHeader = {
        gatewright_archive: ARCHIVE_FORMAT,
        exported_at: exportedAt,
        version,
        settings: [...settings],
      };
      yield hashed(hash, header);
      for (const { kind, iterator, first } of begun)
        for (let next = first; next.done !== true; next = iterator.next()) {
          counts[kind.name] += 1;
          if (counts[kind.name] % SLICE === 0) await nextTurn();
          yield hashed(hash, { [kind.name]: next.value });
        }
      for (const one of setAside) yield hashed(hash, { set_aside: one });
      const end: ArchiveEnd = {
        end: { ...counts, set_aside: setAside.length },
        sha256: hash.digest("hex"),
      };
      yield `${JSON.stringify(end)}\n`;
    } finally {
      for (const { iterator } of begun) iterator.return?.();
    }
  }
}

function hashed(hash: Hash, value: object): string {
  const line = `${JSON.stringify(value)}\n`;
  hash.update(line);
  return line;
}

async function* gathered(lines: AsyncGenerator<string>): AsyncGenerator<string> {
  let text = "";
  for await (const line of lines) {
    text += line;
    if (text.length < PIECE) continue;
    yield text;
    text = "";
  }
  yield text;
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}
