import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { importedCertificatePath } from "../compiler/tls.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ImportCertificateRequest } from "../model/api.ts";
import { type Attribution, ourselves, somebody } from "../model/attribution.ts";
import { attributed, type EventSink, noEvents } from "../model/event.ts";
import { makeId } from "../model/id.ts";
import type { DocumentStore, UnreadableDocument } from "../store/document-store.ts";
import { ensurePrivateFolder, writeDurably } from "../store/durable.ts";
import { type DocumentDecision, type KeptChange, KeptDocuments } from "../store/kept-documents.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import { type ImportedCertificate, type StoredCertificate, show } from "./imported-certificate.ts";
import { checkPair } from "./pem.ts";

/** What has to happen elsewhere when certificates change. */
export interface ImportEffects {
  /** How many rules use the certificate, changes under way included. */
  readonly usesOf: (id: string) => number;
  /** Has Caddy load its configuration with the certificates as they are now. Rejects when it does not. */
  readonly reload: () => Promise<void>;
  /** Makes sure that rules which other gateways have changed until now count. Rejects where nobody knows. */
  readonly confirm: () => Promise<void>;
  /** The revision of the ingresses that `usesOf` is of. */
  readonly revision: () => number;
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

/** The certificates that callers brought, in memory, in the store and as files for Caddy. */
export class ImportedCertificates {
  readonly #options: ImportedCertificatesOptions;
  readonly #kept: KeptDocuments<StoredCertificate>;
  readonly #entries = new Map<string, Entry>();
  #effects: ImportEffects = {
    usesOf: () => 0,
    reload: async () => undefined,
    confirm: async () => undefined,
    revision: () => 0,
  };
  /** Files are written, and Caddy told of what others changed, one after another. */
  readonly #files = new SerialQueue();
  readonly #arrivals = new SerialQueue();

  constructor(options: ImportedCertificatesOptions) {
    this.#options = options;
    this.#kept = new KeptDocuments(options.store);
    this.#kept.watch((change) => {
      if (change.isOthers) this.#arrive(change);
    });
  }

  /** Reads what is stored and writes the files that Caddy reads. Throws `store_unavailable`. */
  async open(): Promise<void> {
    this.#report(await this.#kept.open());
    for (const stored of this.#kept.all.values()) {
      this.#entries.set(stored.id, { stored, shown: show(stored) });
      await this.#writeFile(stored);
    }
  }

  /** Connects the effects, once there is something to affect. */
  connect(effects: ImportEffects): void {
    this.#effects = effects;
  }

  async close(): Promise<void> {
    await this.#kept.close();
    await this.#arrivals.run(async () => undefined);
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
  async put(
    request: ImportCertificateRequest,
    by: Attribution = ourselves,
  ): Promise<{ certificate: ImportedCertificate; created: boolean }> {
    const imported = await this.#kept.change(() => this.#served(request));
    const what = imported.created ? "imported" : "replaced by another";
    this.#tell("certificate.imported", what, imported.certificate, by);
    return imported;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Of the rules, see `ImportEffects`. */
  get rulesRevision(): number {
    return this.#effects.revision();
  }

  /** Of the store, as far as it is taken into account here. */
  get revision(): number {
    return this.#kept.revision;
  }

  /** Makes sure that nothing is missing of what other gateways have imported until now. Throws `store_unavailable`. */
  async confirm(): Promise<void> {
    await this.#kept.confirm();
    // Not for Caddy: whoever waits here may be who Caddy's turn waits for.
    await this.#files.run(async () => undefined);
  }

  /** Pairs as they are stored, keys included, in no order. */
  *stored(): Generator<StoredCertificate> {
    for (const { stored } of [...this.#entries.values()]) yield stored;
  }

  /** Keeps pairs as they are, which no rule uses yet, all or none of them. Throws `store_unavailable`. */
  async restore(certificates: readonly StoredCertificate[], by: Attribution = ourselves): Promise<void> {
    await this.#kept.change(async () => {
      const undo = async (): Promise<void> => {
        for (const { id } of certificates) await rm(this.#path(id), { force: true }).catch(() => undefined);
      };
      try {
        for (const stored of certificates) await this.#writeFile(stored);
      } catch (error) {
        await undo();
        throw error;
      }
      return { puts: certificates, deletes: [], answer: undefined, undo };
    });
    for (const stored of certificates) {
      this.#setEntry(stored.id);
      this.#tell("certificate.imported", "restored", show(stored), by);
    }
  }

  /** Throws `not_found`, and `certificate_in_use` while rules use it, at any gateway. */
  async delete(reference: string, by: Attribution = ourselves): Promise<void> {
    const gone = await this.#kept.change(() => this.#going(reference));
    await this.#writeEntry(gone.id);
    this.#tell("certificate.deleted", "deleted", gone, by);
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

  /** What is stored for a request, once Caddy, which may refuse it, serves it. */
  async #served(
    request: ImportCertificateRequest,
  ): Promise<DocumentDecision<StoredCertificate, { certificate: ImportedCertificate; created: boolean }>> {
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
    const shown = show(stored);
    const isUsed = this.#effects.usesOf(stored.id) > 0;
    const undo = () => this.#takeBack(stored.id, isUsed);
    try {
      this.#entries.set(stored.id, { stored, shown });
      await this.#writeEntry(stored.id);
      if (isUsed) await this.#effects.reload();
    } catch (error) {
      await undo();
      throw error;
    }
    const answer = { certificate: shown, created: before === undefined };
    return { puts: [stored], deletes: [], answer, undo };
  }

  /** Makes the entry, the file and Caddy as the store has it. */
  async #takeBack(id: string, isUsed: boolean): Promise<void> {
    this.#setEntry(id);
    try {
      await this.#writeEntry(id);
      if (isUsed) await this.#effects.reload();
    } catch (error) {
      const { logger } = this.#options;
      logger.error("the certificate that was before could not be put back into Caddy yet", { id, error });
    }
  }

  #setEntry(id: string): void {
    const stored = this.#kept.all.get(id);
    if (stored === undefined) this.#entries.delete(id);
    else this.#entries.set(id, { stored, shown: show(stored) });
  }

  async #going(reference: string): Promise<DocumentDecision<StoredCertificate, ImportedCertificate>> {
    await this.#effects.confirm();
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
    const undo = async () => this.#setEntry(id);
    return { puts: [], deletes: [id], answer: entry.shown, undo };
  }

  /** What another gateway imported is served as what is imported here. */
  #arrive({ steps, unreadable }: KeptChange<StoredCertificate>): void {
    this.#report(unreadable);
    for (const { after, before } of steps) {
      const { id } = (after ?? before) as StoredCertificate;
      // Rules cannot name one that is gone from this moment on, and one that came as soon as Caddy finds its file.
      if (after === undefined) this.#setEntry(id);
      const isWritten = after === undefined ? Promise.resolve() : this.#writeArrived(id);
      // It is looked at in its turn.
      isWritten.catch(() => undefined);
      void this.#arrivals.run(() => this.#takeIn(id, isWritten));
      if (after === undefined)
        this.#tell(
          "certificate.deleted",
          "deleted at another gateway",
          show(before as StoredCertificate),
          somebody,
        );
      else this.#tell("certificate.imported", "imported at another gateway", show(after), somebody);
    }
  }

  /** Has Caddy serve what another gateway imported, and forgets what that deleted. */
  async #takeIn(id: string, isWritten: Promise<void>): Promise<void> {
    try {
      await isWritten;
      const isUsed = this.#effects.usesOf(id) > 0;
      if (this.#entries.has(id)) {
        if (isUsed) await this.#effects.reload();
        return;
      }
      // No stored rule uses it; here the last one that did may not have gone yet.
      if (isUsed) await this.#effects.confirm();
      await this.#writeEntry(id);
    } catch (error) {
      const what = "what another gateway did with a certificate could not be taken over by Caddy yet";
      this.#options.logger.error(what, { id, error });
    }
  }

  /** A later commit may have taken it away again, or replaced it. */
  #writeArrived(id: string): Promise<void> {
    return this.#files.run(async () => {
      const stored = this.#kept.all.get(id);
      if (stored !== undefined) await this.#writeFile(stored);
      this.#setEntry(id);
    });
  }

  #report(unreadable: readonly UnreadableDocument[]): void {
    for (const { id, path, reason } of unreadable)
      this.#options.logger.error(
        "an imported certificate cannot be read; its file for Caddy stays as it is",
        { id, path, reason },
      );
  }

  /** Makes the file as the entry is. */
  #writeEntry(id: string): Promise<void> {
    return this.#files.run(async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) await rm(this.#path(id), { force: true });
      else await this.#writeFile(entry.stored);
    });
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
