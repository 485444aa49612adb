import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { GatewrightError, type Problem } from "../errors.ts";

/** Pages by status (`502`) or class (`5xx`). */
export interface ErrorPageTexts {
  readonly [status: string]: string;
}

/** Each page is part of Caddy's configuration. */
const MAX_BYTES = 65_536;
const FILE_NAME = /^([45](?:\d\d|xx))\.(?:html|txt)$/;

/**
 * Reads the pages of ERROR_PAGES_DIR: `502.html`, `4xx.html`, `503.txt`; other files are left alone.
 * Throws `config_invalid`, naming every file that cannot be used.
 */
export async function readErrorPages(folder: string | undefined): Promise<ErrorPageTexts> {
  if (folder === undefined) return {};
  const problems: Problem[] = [];
  const refuse = (message: string): void => {
    problems.push({
      code: "config_invalid",
      field: "ERROR_PAGES_DIR",
      message: `ERROR_PAGES_DIR: ${message}`,
    });
  };
  const pages = new Map<string, string>();
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    refuse(`${folder} cannot be read (${error.code}); name a folder with pages such as 502.html`);
    return [];
  });
  for (const name of names.sort()) {
    const status = FILE_NAME.exec(name)?.[1];
    if (status === undefined) continue;
    const text = await readFile(join(folder, name), "utf8").catch((error: NodeJS.ErrnoException) => {
      refuse(`${name} cannot be read (${error.code})`);
    });
    if (text === undefined) continue;
    if (Buffer.byteLength(text) > MAX_BYTES) refuse(`${name} has more than ${MAX_BYTES} bytes`);
    else if (pages.has(status)) refuse(`there are two pages for ${status}; keep one`);
    else if (text !== "") pages.set(status, text);
  }
  const [first] = problems;
  if (first !== undefined) throw new GatewrightError("config_invalid", first.message, { details: problems });
  return Object.fromEntries(pages);
}
