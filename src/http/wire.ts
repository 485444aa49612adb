import { Readable } from "node:stream";
import type { Response } from "express";
import { hold } from "./byte-budget.ts";

/**
 * Renders JSON as hypeman's clients know it: keys in alphabetical order at each level.
 * Undefined members are left out.
 */
export function toWire(value: unknown): string {
  return JSON.stringify(withSortedKeys(value));
}

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== "object" || value === null) return value;
  // Without a prototype, a key `__proto__` is a key like any other.
  const sorted: { [key: string]: unknown } = Object.create(null);
  for (const key of Object.keys(value).sort()) sorted[key] = withSortedKeys((value as typeof sorted)[key]);
  return sorted;
}

/** Larger answers are written in pieces, and counted while the client takes them. */
export const PIECE_BYTES = 64 * 1024;

/** Sends a whole JSON answer, ended by a newline. To HEAD the same headers without the body. */
export function sendJson(response: Response, status: number, value: unknown): void {
  sendText(response, status, "application/json", `${toWire(value)}\n`);
}

/** Sends a text whole. To GET throws `overloaded` when too much is on its way already; other calls have been made. */
export function sendText(response: Response, status: number, contentType: string, text: string): void {
  const length = Buffer.byteLength(text);
  const isLarge = length > PIECE_BYTES && response.req.method !== "HEAD";
  if (isLarge) hold(response, length, response.req.method !== "GET");
  response.statusCode = status;
  response.setHeader("Content-Type", contentType);
  response.setHeader("Content-Length", length);
  if (isLarge) Readable.from(pieces(Buffer.from(text))).pipe(response);
  else response.end(text);
}

/** In one piece nothing could be seen of a slow client's progress. */
export function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Sends an answer without a body and without a Content-Type. */
export function sendEmpty(response: Response, status: number): void {
  response.statusCode = status;
  response.end();
}
