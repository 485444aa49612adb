import type { Certificate, ServerStatus } from "../model/api.ts";
import type { ImportedCertificate, ImportedCertificates } from "./imported-certificates.ts";
import { type CertificateMonitor, isIdle, type ManagedState, renewalOf } from "./monitor.ts";

export interface ReportSources {
  readonly monitor: Pick<
    CertificateMonitor,
    "list" | "of" | "endsSoon" | "isOverdue" | "refresh" | "refreshName"
  >;
  readonly imported: Pick<ImportedCertificates, "list" | "find">;
  /** How many rules use a managed name or an imported certificate. */
  readonly usesOf: (subjectOrId: string, source: "managed" | "imported") => number;
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
    const known = this.known();
    const count = (test: (certificate: Certificate) => boolean): number => known.filter(test).length;
    return {
      ready: count(({ state }) => state === "ready"),
      pending: count(({ state }) => state === "pending"),
      failed: count(({ state }) => state === "failed"),
      expired: count(({ state }) => state === "expired"),
      idle: count(({ state }) => state === "idle"),
      expiring: count(({ expires_soon }) => expires_soon === true),
    };
  }

  /** What wants attention, one sentence each; at most 100. */
  problems(): readonly string[] {
    return this.known()
      .flatMap((certificate) => problemOf(certificate))
      .slice(0, 100);
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

function problemOf({ id, state, not_after, expires_soon, error }: Certificate): readonly string[] {
  if (state === "failed") return [`certificate ${id}: ${error?.message ?? "failed"}`];
  if (state === "pending" && error !== undefined)
    return [`certificate ${id} is tried again; the last order failed: ${error.message}`];
  if (state === "expired") return [`certificate ${id} ended ${not_after}`];
  if (expires_soon === true) return [`certificate ${id} ends ${not_after}`];
  return error === undefined ? [] : [`certificate ${id} cannot be renewed: ${error.message}`];
}
