import { hash } from "node:crypto";
import { type CertificateFacts, readFacts } from "./pem.ts";

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

/** Checks what is read from disk. Throws when it is none of ours. */
export function readStoredCertificate(value: unknown): StoredCertificate {
  const stored = value as StoredCertificate;
  for (const key of ["id", "chain_pem", "key_pem", "created_at", "updated_at"] as const)
    if (typeof stored[key] !== "string") throw new TypeError(`${key} is missing`);
  readFacts(stored.chain_pem);
  return stored;
}

/** What others see of it. */
export function show(stored: StoredCertificate): ImportedCertificate {
  return {
    id: stored.id,
    ...(stored.name === undefined ? {} : { name: stored.name }),
    createdAt: stored.created_at,
    updatedAt: stored.updated_at,
    facts: readFacts(stored.chain_pem),
    digest: hash("sha256", `${stored.chain_pem}\n${stored.key_pem}`).slice(0, 32),
  };
}
