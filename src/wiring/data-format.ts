import { readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { GatewrightError } from "../errors.ts";
import { PRIVATE_FILE_MODE, systemCode, writeDurably } from "../store/durable.ts";

/** Name of the file in DATA_DIR that says in which form the folder is. */
export const FORMAT_FILE = "format.json";

/**
 * The form of what is in DATA_DIR. It is counted up when a version writes what the one before would misread; what that one passes
 * over or sets aside is no other form. A folder without the file is of the first: hypeman's, and those of before there was one.
 */
const DATA_FORMAT = 1;

interface Format {
  readonly format: number;
  /** The Gatewright that wrote the folder last. */
  readonly gatewright: string;
}

/** Refuses a folder that a newer Gatewright has written, before anything is changed in it. Throws `config_invalid`. */
export function checkDataFormat(dataDir: string): void {
  const file = join(dataDir, FORMAT_FILE);
  const found = read(file);
  if (found === undefined || found.format <= DATA_FORMAT) return;
  throw new GatewrightError(
    "config_invalid",
    `${dataDir} was written by Gatewright ${found.gatewright}, in form ${found.format}; this version reads forms up to ${DATA_FORMAT}. ` +
      `Nothing was changed: start Gatewright ${found.gatewright} or newer, or bring back the copy of before (docs/upgrading.md)`,
  );
}

/** Says that this version writes the folder. */
export async function writeDataFormat(dataDir: string, gatewright: string): Promise<void> {
  const file = join(dataDir, FORMAT_FILE);
  const found = read(file);
  // As all else there it is private, whatever a copy made of it.
  if (found?.format === DATA_FORMAT && found.gatewright === gatewright) return chmod(file, PRIVATE_FILE_MODE);
  const text: Format = { format: DATA_FORMAT, gatewright };
  await writeDurably(file, `${JSON.stringify(text)}\n`);
}

/** Undefined where there is none, and where it says nothing: a file that was cut off is written again. */
function read(file: string): Format | undefined {
  try {
    const { format, gatewright } = JSON.parse(readFileSync(file, "utf8")) as Format;
    return Number.isInteger(format) ? { format, gatewright: String(gatewright) } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
