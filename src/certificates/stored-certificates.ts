import { X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CaddyCertificate } from "../caddy/caddy-api.ts";

type Served = NonNullable<CaddyCertificate["served"]>;

/**
 * Certificates that Caddy had on disk at the start, in the layout of certmagic's file storage. One that is ordered on
 * demand is renewed and loaded at a handshake, not ordered again; Caddy itself does not know of it before.
 */
export class StoredCertificates {
  /** Name → file. */
  readonly #files = new Map<string, string>();
  readonly #read = new Map<string, Served | undefined>();

  /** Lists what is there, without reading it. */
  static async list(caddyFolder: string): Promise<StoredCertificates> {
    const stored = new StoredCertificates();
    const folder = join(caddyFolder, "data", "certificates");
    for (const issuer of await readdir(folder).catch(() => []))
      for (const name of await readdir(join(folder, issuer)).catch(() => []))
        stored.#files.set(name, join(folder, issuer, name, `${name}.crt`));
    return stored;
  }

  names(): Iterable<string> {
    return this.#files.keys();
  }

  /** What is on disk for a name; undefined when there is none that can be read. */
  async find(name: string): Promise<Served | undefined> {
    const path = this.#files.get(name);
    if (path === undefined) return undefined;
    if (!this.#read.has(name)) this.#read.set(name, await readCertificate(path));
    return this.#read.get(name);
  }
}

async function readCertificate(path: string): Promise<Served | undefined> {
  try {
    const {
      issuer,
      serialNumber,
      subjectAltName = "",
      validFrom,
      validTo,
    } = new X509Certificate(await readFile(path));
    return {
      issuer: issuer.replaceAll("\n", ","),
      serial: serialNumber.toLowerCase().replace(/^0+/, ""),
      names: subjectAltName.split(", ").flatMap((one) => (one.startsWith("DNS:") ? [one.slice(4)] : [])),
      not_before: new Date(validFrom).toISOString(),
      not_after: new Date(validTo).toISOString(),
    };
  } catch {
    // Caddy will say so when it is asked for.
    return undefined;
  }
}
