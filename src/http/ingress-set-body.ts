import type { Request } from "express";
import { GatewrightError, isGatewrightError, type Problem } from "../errors.ts";
import type { WantedIngress } from "../manager/ingress-manager.ts";
import { mapInSlices, Slices } from "../util/slices.ts";
import { placed, refusal } from "../validation/refusal.ts";
import { parseBody, prepareSchema } from "../validation/schema.ts";
import { mediaTypeOf, parseJson, readJson } from "./body.ts";
import { hold } from "./byte-budget.ts";
import { Gathered } from "./gathered.ts";

/** Media type of a set with one document a line. */
export const NDJSON = "application/x-ndjson";

/** Ingresses of one set. */
const MOST_INGRESSES = 100_000;
/** Problems of documents that do not fit the schema are looked for until there are so many. */
const MOST_PROBLEMS = 200;

/**
 * Reads a set of ingresses: a JSON array within the limit of bodies, or lines of one document each, which are read as they
 * come. Throws with every problem, each with its place in the set.
 */
export async function readIngressSet(request: Request, maxBytes: number): Promise<readonly WantedIngress[]> {
  if (mediaTypeOf(request) === NDJSON) return wantedOf(await documentsIn(request, maxBytes));
  return wantedOf(await readJson(request, { types: ["application/json", NDJSON], maxBytes }));
}

/** What a JSON value wants. */
export async function wantedOf(value: unknown): Promise<readonly WantedIngress[]> {
  if (!Array.isArray(value))
    throw new GatewrightError(
      "Bad Request",
      "request body has an error: value must be an array of ingresses",
    );
  if (value.length > MOST_INGRESSES)
    throw new GatewrightError("bad_request", `a set has ${MOST_INGRESSES} ingresses at the most`);
  await prepareSchema("ReplaceIngressRequest");
  const problems: Problem[] = [];
  const wanted = await mapInSlices(value, (document: unknown, index): WantedIngress[] => {
    if (problems.length >= MOST_PROBLEMS) return [];
    try {
      const {
        id,
        created_at,
        updated_at: _,
        owner,
        ...request
      } = parseBody("ReplaceIngressRequest", document);
      return [
        {
          request,
          ...(id === undefined ? {} : { id }),
          ...(created_at === undefined ? {} : { created_at }),
          ...(owner === undefined ? {} : { owner }),
        },
      ];
    } catch (error) {
      if (!isGatewrightError(error)) throw error;
      const { code, details, message } = error;
      problems.push(...placed(`ingresses[${index}]`, details.length > 0 ? details : [{ code, message }]));
      return [];
    }
  });
  if (problems.length > 0) throw refusal(problems);
  return wanted.flat();
}

/** The documents of the lines. Blank lines count for nothing. */
async function documentsIn(request: Request, maxLineBytes: number): Promise<readonly unknown[]> {
  const documents: unknown[] = [];
  const slices = new Slices();
  let line = 0;
  for await (const bytes of linesOf(request, maxLineBytes)) {
    line += 1;
    if (bytes.length === 0) continue;
    if (documents.length >= MOST_INGRESSES)
      throw new GatewrightError("bad_request", `a set has ${MOST_INGRESSES} ingresses at the most`);
    try {
      documents.push(parseJson(bytes));
      await slices.after(1);
    } catch (error) {
      throw isGatewrightError(error) ? inLine(line, error) : error;
    }
  }
  return documents;
}

function inLine(line: number, { code, details, message }: GatewrightError): GatewrightError {
  return new GatewrightError(code, `line ${line}: ${message}`, { details });
}

/** The lines of a body, without their ends, as they come. Throws `payload_too_large` for one that is too long. */
async function* linesOf(request: Request, maxLineBytes: number): AsyncGenerator<Buffer> {
  const rest = new Gathered();
  const checked = (piece: Buffer): Buffer => {
    if (rest.length + piece.length <= maxLineBytes) return piece;
    const message = `a line of the request body is longer than ${maxLineBytes} bytes`;
    throw new GatewrightError("payload_too_large", message);
  };
  // The stream must survive a refusal: destroying it would cut the connection before the answer is read.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (request.res !== undefined) hold(request.res, chunk.length);
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const piece = checked(chunk.subarray(start, end));
      if (rest.length > 0) rest.add(piece);
      yield trimmed(rest.length > 0 ? rest.take() : piece);
      start = end + 1;
    }
    rest.add(checked(chunk.subarray(start)));
  }
  yield trimmed(rest.take());
}

function trimmed(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
