import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CaddyConfig, PolicySet } from "../caddy-json/config.ts";
import { TableDigest } from "../compiler/digest.ts";
import { compileRows, policySetsOf } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Ingress } from "../model/api.ts";
import { ensurePrivateFolder, PRIVATE_FILE_MODE, storeUnavailable, writeDurably } from "../store/durable.ts";

/** Characters of rows gathered before they are written. */
const CHUNK = 1 << 20;

/** The files that a starting Caddy reads: `config.json` and `table.json` in `<DATA_DIR>/caddy`, both 0600. */
export class CaddyFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether there are files that a Caddy was started with, or could have been. */
  async exist(): Promise<boolean> {
    const sizes = ["config.json", "table.json"].map((name) => stat(join(this.#folder, name)));
    const found = await Promise.allSettled(sizes);
    return found.every((one) => one.status === "fulfilled" && one.value.size > 0);
  }

  async writeConfig(config: CaddyConfig): Promise<void> {
    await ensurePrivateFolder(this.#folder);
    await writeDurably(join(this.#folder, "config.json"), JSON.stringify(config));
  }

  /** Writes the host table of these ingresses row by row, so that a large one does not stand in memory twice. */
  async writeTable(ingresses: Iterable<Ingress>, settings: CompilerSettings): Promise<void> {
    await ensurePrivateFolder(this.#folder);
    const path = join(this.#folder, "table.json");
    const temporary = `${path}.tmp`;
    try {
      await rm(temporary, { force: true });
      await using file = await open(temporary, "wx", PRIVATE_FILE_MODE);
      await writeRows(file, ingresses, settings);
      await file.sync();
      await rename(temporary, path);
    } catch (error) {
      // On a full disk it would keep what is left.
      await rm(temporary).catch(() => undefined);
      throw storeUnavailable("table.json could not be written", error);
    }
  }
}

async function writeRows(
  file: FileHandle,
  ingresses: Iterable<Ingress>,
  settings: CompilerSettings,
): Promise<void> {
  const digest = new TableDigest();
  const policySets: Record<string, PolicySet> = {};
  let chunk = '{"rows":[';
  let separator = "";
  for (const ingress of ingresses) {
    const compiled = compileRows(ingress, settings);
    Object.assign(policySets, policySetsOf(compiled));
    for (const { row } of compiled) {
      digest.add(row);
      chunk += separator + JSON.stringify(row);
      separator = ",\n";
    }
    if (chunk.length < CHUNK) continue;
    // `write` may write less than it is given.
    await file.writeFile(chunk);
    chunk = "";
  }
  const rest = { policy_sets: policySets, version: digest.version() };
  await file.writeFile(`${chunk}],${JSON.stringify(rest).slice(1)}\n`);
}
