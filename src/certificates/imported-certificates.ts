import { hash } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { importedCertificatePath } from "../compiler/tls.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ImportCertificateRequest } from "../model/api.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import { attributed, type EventSink, noEvents } from "../model/event.ts";
import { makeId } from "../model/id.ts";
import type { DocumentStore } from "../store/document-store.ts";
import { ensurePrivateFolder, writeDurably } from "../store/durable.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import { type CertificateFacts, checkPair, readFacts } from "./pem.ts";

/** An imported certificate as it is stored, key included: `DATA_DIR/certificates/{id}.json`, 0600. */
export interface StoredCertificate {
  readonly id: string;
  readonly name?: string;
  readonly chain_pem: string;
  readonly key_pem: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** An imported certificate as others see it: without the key. */
export interface ImportedCertificate {
  readonly id: string;
  readonly name?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly facts: CertificateFacts;
  /** Changes with the content. */
  readonly digest: string;
}

/** What has to happen elsewhere when certificates change. */
export interface ImportEffects {
  /** How many rules use the certificate, changes under way included. */
  readonly usesOf: (id: string) => number;
  /** Has Caddy load its configuration with the certificates as they are now. Rejects when it does not. */
  readonly reload: () => Promise<void>;
}

export interface ImportedCertificatesOptions {
  readonly store: DocumentStore<StoredCertificate>;
  /** Caddy's folder, `<DATA_DIR>/caddy`. */
  readonly folder: string;
  /** Hears of imports and deletions. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
}

interface Entry {
  readonly stored: StoredCertificate;
  readonly shown: ImportedCertificate;
}

/** What an event names of a certificate. */
const MOST_NAMES = 5;

/** The certificates that callers brought, in memory, on disk and as files for Caddy. */
export class ImportedCertificates {
  readonly #options: ImportedCertificatesOptions;
  readonly #entries = new Map<string, Entry>();
  #effects: ImportEffects = { usesOf: () => 0, reload: async () => undefined };
  #revision = 0;
  readonly #turns = new SerialQueue();

  constructor(options: ImportedCertificatesOptions) {
    this.#options = options;
  }

  /** Reads what is stored and writes the files that Caddy reads. Throws `store_unavailable`. */
  async open(): Promise<void> {
    const { store, logger } = this.#options;
    const snapshot = await store.open();
    this.#revision = snapshot.revision;
    for (const { id, path, reason } of snapshot.unreadable)
      logger.error("an imported certificate cannot be read; its file for Caddy stays as it is", {
        id,
        path,
        reason,
      });
    for (const stored of snapshot.documents) {
      this.#entries.set(stored.id, { stored, shown: show(stored) });
      await this.#writeFile(stored);
    }
  }

  /** Connects the effects, once there is something to affect. */
  connect(effects: ImportEffects): void {
    this.#effects = effects;
  }

  async close(): Promise<void> {
    await this.#turns.run(() => this.#options.store.close());
  }

  /** Digests by id, for the compiler. */
  digests(): ReadonlyMap<string, string> {
    return new Map([...this.#entries].map(([id, { shown }]) => [id, shown.digest]));
  }

  /** By ascending id. */
  list(): readonly ImportedCertificate[] {
    return [...this.#entries.values()]
      .map(({ shown }) => shown)
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** By id, then by name. */
  find(reference: string): ImportedCertificate | undefined {
    const byId = this.#entries.get(reference)?.shown;
    return byId ?? this.list().find(({ name }) => name === reference);
  }

  /**
   * Imports a pair, or replaces the one of the same name. Resolves when it is durable and, where rules use it, served.
   * Throws `bad_request` with every problem of the pair, `store_unavailable`, and what a refusing Caddy answers; then
   * nothing is changed. `by` says whose change it is; default: Gatewright's own.
   */
  put(
    request: ImportCertificateRequest,
    by: Attribution = ourselves,
  ): Promise<{ certificate: ImportedCertificate; created: boolean }> {
    return this.#turns.run(async () => {
      const imported = await this.#put(request);
      const what = imported.created ? "imported" : "replaced by another";
      this.#tell("certificate.imported", what, imported.certificate, by);
      return imported;
    });
  }

  /** Pairs as they are stored, keys included, in no order. */
  *stored(): Generator<StoredCertificate> {
    for (const { stored } of [...this.#entries.values()]) yield stored;
  }

  /** Keeps pairs as they are, which no rule uses yet, all or none of them. Throws `store_unavailable`. */
  restore(certificates: readonly StoredCertificate[], by: Attribution = ourselves): Promise<void> {
    return this.#turns.run(async () => {
      try {
        for (const stored of certificates) await this.#writeFile(stored);
        await this.#commit(certificates, []);
      } catch (error) {
        for (const { id } of certificates) await rm(this.#path(id), { force: true }).catch(() => undefined);
        throw error;
      }
      for (const stored of certificates) {
        const shown = show(stored);
        this.#entries.set(stored.id, { stored, shown });
        this.#tell("certificate.imported", "restored", shown, by);
      }
    });
  }

  /** Throws `not_found`, and `certificate_in_use` while rules use it. */
  delete(reference: string, by: Attribution = ourselves): Promise<void> {
    return this.#turns.run(async () => {
      this.#tell("certificate.deleted", "deleted", await this.#delete(reference), by);
    });
  }

  #tell(
    type: "certificate.imported" | "certificate.deleted",
    what: string,
    { id, name, facts }: ImportedCertificate,
    by: Attribution,
  ): void {
    const { events = noEvents } = this.#options;
    events.emit({
      type,
      message: `certificate ${name ?? id} was ${what}`,
      certificate: { id, ...(name === undefined ? {} : { name }) },
      ...attributed(by),
      data: { names: facts.names.slice(0, MOST_NAMES), not_after: facts.notAfter.toISOString() },
    });
  }

  async #put(
    request: ImportCertificateRequest,
  ): Promise<{ certificate: ImportedCertificate; created: boolean }> {
    const now = new Date();
    const checked = checkPair(request.certificate_pem, request.key_pem, now);
    if (!("facts" in checked)) {
      const [first] = checked;
      throw new GatewrightError("bad_request", `invalid request: ${first?.message}`, { details: checked });
    }
    const known = request.name === undefined ? undefined : this.find(request.name);
    const before = known === undefined ? undefined : this.#entries.get(known.id);
    const stored: StoredCertificate = {
      id: before?.stored.id ?? makeId(),
      ...(request.name === undefined ? {} : { name: request.name }),
      chain_pem: checked.chainPem,
      key_pem: checked.keyPem,
      created_at: before?.stored.created_at ?? now.toISOString(),
      updated_at: now.toISOString(),
    };
    await this.#serve(stored, before);
    const entry = this.#entries.get(stored.id);
    if (entry === undefined) throw new GatewrightError("internal_error", "an import left no certificate");
    return { certificate: entry.shown, created: before === undefined };
  }

  /** Caddy first, which may refuse; then the store. Either failing leaves what was before. */
  async #serve(stored: StoredCertificate, before: Entry | undefined): Promise<void> {
    const isUsed = this.#effects.usesOf(stored.id) > 0;
    try {
      await this.#writeFile(stored);
      this.#entries.set(stored.id, { stored, shown: show(stored) });
      if (isUsed) await this.#effects.reload();
      await this.#commit([stored], []);
    } catch (error) {
      await this.#takeBack(stored.id, before, isUsed);
      throw error;
    }
  }

  async #takeBack(id: string, before: Entry | undefined, isUsed: boolean): Promise<void> {
    const { logger } = this.#options;
    if (before === undefined) this.#entries.delete(id);
    else this.#entries.set(id, before);
    try {
      if (before === undefined) await rm(this.#path(id), { force: true });
      else await this.#writeFile(before.stored);
      if (isUsed) await this.#effects.reload();
    } catch (error) {
      logger.error("the certificate that was before could not be put back into Caddy yet", { id, error });
    }
  }

  async #delete(reference: string): Promise<ImportedCertificate> {
    const found = this.find(reference);
    const entry = found === undefined ? undefined : this.#entries.get(found.id);
    if (entry === undefined) throw new GatewrightError("not_found", "resource not found");
    const { id } = entry.stored;
    const uses = this.#effects.usesOf(id);
    if (uses > 0) {
      const message = `the certificate is used by ${uses === 1 ? "a rule" : `${uses} rules`}; change or delete these first`;
      throw new GatewrightError("certificate_in_use", message);
    }
    // Gone for admission in the same moment in which it was found unused.
    this.#entries.delete(id);
    try {
      await this.#commit([], [id]);
    } catch (error) {
      this.#entries.set(id, entry);
      throw error;
    }
    await rm(this.#path(id), { force: true });
    return entry.shown;
  }

  async #commit(puts: readonly StoredCertificate[], deletes: readonly string[]): Promise<void> {
    this.#revision = await this.#options.store.commit({ expected: this.#revision, puts, deletes });
  }

  async #writeFile(stored: StoredCertificate): Promise<void> {
    const path = this.#path(stored.id);
    await ensurePrivateFolder(dirname(path));
    await writeDurably(path, `${stored.chain_pem.trimEnd()}\n${stored.key_pem.trimEnd()}\n`);
  }

  #path(id: string): string {
    return importedCertificatePath(this.#options.folder, id);
  }
}

/** Checks what is read from disk. Throws when it is none of ours. */
export function readStoredCertificate(value: unknown): StoredCertificate {
  const stored = value as StoredCertificate;
  for (const key of ["id", "chain_pem", "key_pem", "created_at", "updated_at"] as const)
    if (typeof stored[key] !== "string") throw new TypeError(`${key} is missing`);
  readFacts(stored.chain_pem);
  return stored;
}

function show(stored: StoredCertificate): ImportedCertificate {
  return {
    id: stored.id,
    ...(stored.name === undefined ? {} : { name: stored.name }),
    createdAt: stored.created_at,
    updatedAt: stored.updated_at,
    facts: readFacts(stored.chain_pem),
    digest: hash("sha256", `${stored.chain_pem}\n${stored.key_pem}`).slice(0, 32),
  };
}
