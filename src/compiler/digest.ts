import { hash } from "node:crypto";
import type { Row } from "./row.ts";

/** Length of a policy-set key; 64 bits are plenty for names that one configuration holds. */
const KEY_LENGTH = 16;

/** A short stable name of any JSON value; object keys must come in a fixed order. */
export function digestOf(value: unknown): string {
  return hash("sha256", JSON.stringify(value)).slice(0, KEY_LENGTH * 2);
}

/** Key of a policy set, from its rendered handlers. */
export function policyKey(policySet: unknown): string {
  return digestOf(policySet).slice(0, KEY_LENGTH);
}

/**
 * Digest of a set of rows that can be updated row by row: the exclusive or of the rows' SHA-256, 128 bits of it.
 * A restarted manager compares it with the running table's version, so that equal tables are never sent twice.
 */
export class TableDigest {
  readonly #words = new Uint32Array(4);
  #rows = 0;

  /** Adds a row that is not in the set. */
  add(row: Row): void {
    this.#toggle(row);
    this.#rows += 1;
  }

  /** Takes out a row that is in the set. */
  remove(row: Row): void {
    this.#toggle(row);
    this.#rows -= 1;
  }

  /** The version string of the table that the set makes. */
  version(): string {
    const hex = Array.from(this.#words, (word) => word.toString(16).padStart(8, "0")).join("");
    return `${this.#rows}-${hex}`;
  }

  #toggle(row: Row): void {
    // One character a byte: a Buffer for each row costs more than its digest.
    const digest = hash("sha256", JSON.stringify(row), "binary");
    for (let index = 0; index < 4; index += 1) {
      this.#words[index] = (this.#words[index] ?? 0) ^ wordAt(digest, index * 4);
    }
  }
}

/** Four bytes as a little-endian number of 32 bits. */
function wordAt(bytes: string, at: number): number {
  return (
    bytes.charCodeAt(at) |
    (bytes.charCodeAt(at + 1) << 8) |
    (bytes.charCodeAt(at + 2) << 16) |
    (bytes.charCodeAt(at + 3) << 24)
  );
}
