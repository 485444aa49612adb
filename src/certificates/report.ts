import type { Certificate, ServerStatus } from "../model/api.ts";
import { Smallest } from "../util/smallest.ts";
import type { ImportedCertificate } from "./imported-certificate.ts";
import type { ImportedCertificates } from "./imported-certificates.ts";
import type { ManagedState } from "./managed-state.ts";
import { type CertificateMonitor, isIdle, renewalOf } from "./monitor.ts";

export interface ReportSources {
  readonly monitor: Pick<
    CertificateMonitor,
    "list" | "states" | "of" | "endsSoon" | "isOverdue" | "refresh" | "refreshName"
  >;
  readonly imported: Pick<ImportedCertificates, "list" | "find">;
  /** How many rules use a managed name or an imported certificate. */
  readonly usesOf: (subjectOrId: string, source: "managed" | "imported") => number;
}

interface Ending {
  readonly name: string;
  readonly source: Certificate["source"];
  readonly notAfter: Date;
}

interface Failing {
  readonly name: string;
  /** Orders that failed in a row. */
  readonly failures: number;
}

/** What metrics tell of all certificates. */
export interface CertificateOverview {
  readonly counts: ServerStatus["certificates"];
  /** Those that end first. */
  readonly ending: readonly Ending[];
  /** Names whose last order failed. */
  readonly failing: readonly Failing[];
}

/** All certificates in the API's words. */
export class CertificateReport {
  readonly #sources: ReportSources;

  constructor(sources: ReportSources) {
    this.#sources = sources;
  }

  /** Asks Caddy, then answers every certificate: issued ones by name, then imported ones by id. */
  async list(): Promise<readonly Certificate[]> {
    await this.#sources.monitor.refresh();
    return this.known();
  }

  /** The same from memory. */
  known(): readonly Certificate[] {
    const { monitor, imported } = this.#sources;
    return [
      ...monitor.list().map((state) => this.#ofManaged(state)),
      ...imported.list().map((certificate) => this.ofImported(certificate)),
    ];
  }

  /** By the id or name of an imported one, or the hostname of an issued one. */
  async find(reference: string): Promise<Certificate | undefined> {
    const imported = this.#sources.imported.find(reference);
    if (imported !== undefined) return this.ofImported(imported);
    const subject = reference.toLowerCase();
    await this.#sources.monitor.refreshName(subject);
    const managed = this.#sources.monitor.of(subject);
    return managed === undefined ? undefined : this.#ofManaged(managed);
  }

  counts(): ServerStatus["certificates"] {
    return this.overview(0).counts;
  }

  /** How many there are in each state, and of so many what is next. Each is looked at once, and nothing is made of it. */
  overview(most: number): CertificateOverview {
    const { monitor, imported } = this.#sources;
    const counts = { ready: 0, pending: 0, failed: 0, expired: 0, idle: 0, expiring: 0 };
    const ending = new Smallest<ManagedState | ImportedCertificate>(most);
    const failing: Failing[] = [];
    for (const known of monitor.states()) {
      const { error, need, served, state } = known;
      counts[state] += 1;
      if (served !== undefined) {
        if (!isIdle(known) && monitor.isOverdue(served)) counts.expiring += 1;
        ending.offer(served.notAfter.getTime(), known);
      }
      if (error !== undefined && failing.length < most)
        failing.push({ name: need.subject, failures: error.failures });
    }
    const now = Date.now();
    for (const certificate of imported.list()) {
      const { notAfter } = certificate.facts;
      counts[notAfter.getTime() <= now ? "expired" : "ready"] += 1;
      if (monitor.endsSoon(notAfter)) counts.expiring += 1;
      ending.offer(notAfter.getTime(), certificate);
    }
    return { counts, ending: ending.items().flatMap(endingOf), failing };
  }

  /** What wants attention, one sentence each; at most 100. */
  problems(): readonly string[] {
    return problemsOf(this.known());
  }

  ofImported({ id, name, facts, createdAt, updatedAt }: ImportedCertificate): Certificate {
    const expired = facts.notAfter.getTime() <= Date.now();
    return {
      id,
      ...(name === undefined ? {} : { name }),
      source: "imported",
      names: [...facts.names],
      state: expired ? "expired" : "ready",
      issuer: facts.issuer,
      serial: facts.serial,
      not_before: facts.notBefore.toISOString(),
      not_after: facts.notAfter.toISOString(),
      expires_soon: this.#sources.monitor.endsSoon(facts.notAfter),
      used_by: this.#sources.usesOf(id, "imported"),
      created_at: createdAt,
      updated_at: updatedAt,
    };
  }

  #ofManaged(known: ManagedState): Certificate {
    const { need, state, served, error } = known;
    return {
      id: need.subject,
      source: need.issuer,
      names: [...(served?.names ?? [need.subject])],
      state,
      ...(served === undefined ? {} : this.#validity(served, isIdle(known))),
      ...(error === undefined ? {} : { error }),
      used_by: this.#sources.usesOf(need.subject, "managed"),
    };
  }

  #validity(
    { issuer, serial, notBefore, notAfter }: NonNullable<ManagedState["served"]>,
    idle: boolean,
  ): Partial<Certificate> {
    return {
      issuer,
      serial,
      not_before: notBefore.toISOString(),
      not_after: notAfter.toISOString(),
      renews_at: renewalOf({ notBefore, notAfter }).toISOString(),
      expires_soon: !idle && this.#sources.monitor.isOverdue({ notBefore, notAfter }),
    };
  }
}

/** What wants attention of some certificates, one sentence each; at most 100. */
export function problemsOf(certificates: readonly Certificate[]): readonly string[] {
  return certificates.flatMap(problemOf).slice(0, 100);
}

function problemOf({ id, state, not_after, expires_soon, error }: Certificate): readonly string[] {
  if (state === "failed") return [`certificate ${id}: ${error?.message ?? "failed"}`];
  if (state === "pending" && error !== undefined)
    return [`certificate ${id} is tried again; the last order failed: ${error.message}`];
  if (state === "expired") return [`certificate ${id} ended ${not_after}`];
  if (expires_soon === true) return [`certificate ${id} ends ${not_after}`];
  return error === undefined ? [] : [`certificate ${id} cannot be renewed: ${error.message}`];
}

function endingOf(certificate: ManagedState | ImportedCertificate): readonly Ending[] {
  if ("facts" in certificate) {
    const { facts, id, name = id } = certificate;
    return [{ name, source: "imported", notAfter: facts.notAfter }];
  }
  const { need, served } = certificate;
  return served === undefined ? [] : [{ name: need.subject, source: need.issuer, notAfter: served.notAfter }];
}
