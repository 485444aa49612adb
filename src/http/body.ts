import type { Request } from "express";
import { GatewrightError, isGatewrightError, type Problem } from "../errors.ts";
import { hold } from "./byte-budget.ts";
import { duplicateKeys } from "./duplicate-keys.ts";
import { Gathered } from "./gathered.ts";

/** Deeper nesting than any document of ours has; what follows may recurse. */
const MAX_DEPTH = 32;

/** How a request's body is read. */
export interface BodyOptions {
  /** Media types that are taken, without parameters. */
  readonly types: readonly string[];
  /** Largest body in bytes. */
  readonly maxBytes: number;
}

/**
 * Reads a JSON body. Throws `Bad Request` in hypeman's words (no body, another Content-Type, broken JSON) and
 * `payload_too_large`.
 */
export async function readJson(request: Request, options: BodyOptions): Promise<unknown> {
  const bytes = await readBytes(request, options.maxBytes);
  if (bytes.length === 0) throw badBody("value is required but missing");
  const contentType = request.headers["content-type"] ?? "";
  const mediaType = mediaTypeOf(request);
  if (!options.types.includes(mediaType)) {
    throw badBody(`header Content-Type has unexpected value ${JSON.stringify(contentType.slice(0, 100))}`);
  }
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw badBody("compressed bodies are not supported");
  return parseJson(bytes);
}

/** The value of a JSON text. Throws `Bad Request`, also for keys that are given twice and what is nested too deep. */
export function parseJson(bytes: Buffer): unknown {
  const text = decode(bytes);
  const value = parse(text);
  if (isDeeperThan(value, MAX_DEPTH)) throw badBody(`nested deeper than ${MAX_DEPTH} levels`);
  refuseDuplicates(text);
  return value;
}

function refuseDuplicates(text: string): void {
  const details = duplicateKeys(text);
  const [first] = details;
  if (first !== undefined) throw badBody(`${first.field}: ${first.message}`, details);
}

async function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const response = request.res;
  const count = (bytes: number): void => void (response !== undefined && hold(response, bytes));
  count(announced);
  const gathered = new Gathered();
  try {
    // The stream must survive a refusal: destroying it would cut the connection before the answer is read.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (gathered.length + chunk.length > maxBytes) throw tooLarge(maxBytes);
      if (announced === 0) count(chunk.length);
      gathered.add(chunk);
    }
  } catch (error) {
    // A client that goes away while it sends is no failure of ours.
    throw isGatewrightError(error) ? error : badBody("the connection ended before the body did");
  }
  return gathered.take();
}

function tooLarge(maxBytes: number): GatewrightError {
  return new GatewrightError("payload_too_large", `request body is larger than ${maxBytes} bytes`);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badBody("failed to decode request body: invalid UTF-8");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badBody(`failed to decode request body: ${explain(error as SyntaxError, text)}`);
  }
}

/** V8's message repeats part of the text, which may hold a secret; only the position is kept. */
function explain(error: SyntaxError, text: string): string {
  const position = /at position (\d+)/.exec(error.message)?.[1];
  if (error.message.includes("end of JSON input") || Number(position) === text.length)
    return "unexpected EOF";
  const lineAndColumn = /\(line \d+ column \d+\)/.exec(error.message)?.[0];
  return lineAndColumn === undefined ? "invalid JSON" : `invalid JSON ${lineAndColumn}`;
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((member) => isDeeperThan(member, depth - 1));
}

function badBody(reason: string, details: readonly Problem[] = []): GatewrightError {
  return new GatewrightError("Bad Request", `request body has an error: ${reason}`, { details });
}

/** A request's Content-Type without its parameters. */
export function mediaTypeOf(request: Request): string {
  return (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}
