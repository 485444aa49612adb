import { crc32 } from "node:zlib";
import { KeptEvent } from "./kept-event.ts";

/** One event as a line of the file: checksum of the rest, id, JSON. */
export function lineOf({ id, text }: KeptEvent): string {
  const rest = `${id} ${text}`;
  return `${checksum(rest)} ${rest}\n`;
}

const LINE = /^([0-9a-f]{8}) ((\d{1,16}) .+)$/;

/** Reads lines. Those that are torn or damaged are left out and counted; what was written twice is there once. */
export function readLines(text: string): { readonly events: readonly KeptEvent[]; readonly damaged: number } {
  const events: KeptEvent[] = [];
  let damaged = 0;
  let last = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, sum, rest = "", digits = ""] = LINE.exec(line) ?? [];
    const id = Number(digits);
    if (sum === undefined || sum !== checksum(rest)) {
      damaged += 1;
      continue;
    }
    // A write that failed half-way was made again as a whole.
    if (id <= last) continue;
    last = id;
    events.push(KeptEvent.read(id, rest.slice(digits.length + 1)));
  }
  return { events, damaged };
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
