import type { Response } from "express";

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

/** Sends a whole JSON answer, ended by a newline. To HEAD the same headers without the body. */
export function sendJson(response: Response, status: number, value: unknown): void {
  const body = `${toWire(value)}\n`;
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}

/** Sends an answer without a body and without a Content-Type. */
export function sendEmpty(response: Response, status: number): void {
  response.statusCode = status;
  response.end();
}
