import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { CaddyConfig } from "../caddy-json/config.ts";
import { TableDigest } from "../compiler/digest.ts";
import { compileRows } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Ingress } from "../model/api.ts";
import { ensurePrivateFolder, writeDurably } from "../store/durable.ts";

/** Characters of rows gathered before they are written. */
const CHUNK = 1 << 20;

/** The files that a starting Caddy reads: `config.json` and `table.json` in `<DATA_DIR>/caddy`, both 0600. */
export class CaddyFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async writeConfig(config: CaddyConfig): Promise<void> {
    await ensurePrivateFolder(this.#folder);
    await writeDurably(join(this.#folder, "config.json"), JSON.stringify(config));
  }

  /** Writes the host table of these ingresses row by row, so that a large one does not stand in memory twice. */
  async writeTable(ingresses: Iterable<Ingress>, settings: CompilerSettings): Promise<void> {
    await ensurePrivateFolder(this.#folder);
    const path = join(this.#folder, "table.json");
    const file = await open(`${path}.tmp`, "w", 0o600);
    try {
      const digest = new TableDigest();
      let chunk = '{"rows":[';
      let separator = "";
      for (const ingress of ingresses) {
        for (const { row } of compileRows(ingress, settings)) {
          digest.add(row);
          chunk += separator + JSON.stringify(row);
          separator = ",\n";
        }
        if (chunk.length < CHUNK) continue;
        await file.write(chunk);
        chunk = "";
      }
      await file.write(`${chunk}],"version":${JSON.stringify(digest.version())}}\n`);
    } finally {
      await file.close();
    }
    await rename(`${path}.tmp`, path);
  }
}
