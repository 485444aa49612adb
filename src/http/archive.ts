import { type Request, type RequestHandler, Router } from "express";
import { decrypted, encrypted, isAge } from "../archive/age.ts";
import { invalidArchive } from "../archive/archive-format.ts";
import type { ArchiveContents } from "../archive/archive-reader.ts";
import type { Exporter } from "../archive/exporter.ts";
import type { Importer } from "../archive/importer.ts";
import { GatewrightError } from "../errors.ts";
import type { ImportResult } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { attributed, type EventSink } from "../model/event.ts";
import { allScopes } from "../model/rights.ts";
import { parseBody } from "../validation/schema.ts";
import { mediaTypeOf, parseJson } from "./body.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { NDJSON } from "./ingress-set-body.ts";
import { streamBytes } from "./json-stream.ts";
import { bodyOperation, type OperationContext, operation } from "./operation.ts";
import { sendJson } from "./wire.ts";

/** What the routes of archives need. */
export interface ArchiveParts {
  readonly exporter: Pick<Exporter, "checkPlain" | "archive">;
  readonly importer: Pick<Importer, "receive">;
  /** Names of the settings that were given here. */
  readonly settings: readonly string[];
}

/** Each has a thread of its own that derives a key, in 256 MiB. */
const MOST_AT_ONCE = 2;
/** The line before an archive that has its passphrase: bytes. */
const LONGEST_OPTIONS = 8 * 1024;
const OCTETS = "application/octet-stream";

/** `/export` and `/import`. Both are for who may do everything: an archive has keys, and brings tokens. */
export function archiveRoutes(archive: ArchiveParts, context: OperationContext, events: EventSink): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const atOnce = limited();
  router
    .route("/export")
    .post(exportAll(archive, context, events, atOnce))
    .all(methodNotAllowed(["POST"]));
  router
    .route("/import")
    .post(importAll(archive, context, events, atOnce))
    .all(methodNotAllowed(["POST"]));
  return router;
}

type AtOnce = <T>(run: () => Promise<T>) => Promise<T>;

function limited(): AtOnce {
  let running = 0;
  return async (run) => {
    if (running >= MOST_AT_ONCE)
      throw new GatewrightError(
        "overloaded",
        "other archives are under way; nothing was changed. Try again.",
      );
    running += 1;
    try {
      return await run();
    } finally {
      running -= 1;
    }
  };
}

const common = { scope: "admin:write", also: allScopes, changes: "archive" } as const;

function exportAll(
  { exporter }: ArchiveParts,
  context: OperationContext,
  events: EventSink,
  atOnce: AtOnce,
): RequestHandler {
  const options = { ...common, failure: "failed to export", schema: "ExportRequest" } as const;
  return bodyOperation(context, options, async ({ body, by, response }) => {
    const { passphrase } = body;
    if (passphrase === undefined) exporter.checkPlain();
    await atOnce(async () => {
      context.gate.check();
      const texts = exporter.archive();
      const isEncrypted = passphrase !== undefined;
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("Content-Type", isEncrypted ? OCTETS : NDJSON);
      response.setHeader(
        "Content-Disposition",
        `attachment; filename="gatewright.${isEncrypted ? "age" : "ndjson"}"`,
      );
      tell(events, "archive.exported", `everything was exported${isEncrypted ? ", encrypted" : ""}`, by);
      await streamBytes(response, isEncrypted ? encrypted(octets(texts), passphrase) : octets(texts));
    });
  });
}

async function* octets(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of texts) yield Buffer.from(text);
}

function importAll(
  { importer, settings }: ArchiveParts,
  context: OperationContext,
  events: EventSink,
  atOnce: AtOnce,
): RequestHandler {
  const options = { ...common, failure: "failed to import" } as const;
  return operation(context, options, async ({ by, request, response }) => {
    if (mediaTypeOf(request) !== OCTETS)
      throw new GatewrightError("Bad Request", `request body has an error: an archive is sent as ${OCTETS}`);
    const { contents } = await atOnce(async () => {
      const received = await importer.receive(archiveIn(request));
      try {
        await context.gate.alone(() => received.commit(by));
        return received;
      } finally {
        await received.discard();
      }
    });
    const result = resultOf(contents, settings);
    const { certificates, ingresses, instances, tokens } = result;
    const what = `${ingresses} ingresses, ${instances} instances, ${certificates} certificates, ${tokens} tokens`;
    tell(
      events,
      "archive.imported",
      `an archive of ${contents.header.exported_at} was imported: ${what}`,
      by,
    );
    sendJson(response, 200, result);
  });
}

function tell(
  events: EventSink,
  type: "archive.exported" | "archive.imported",
  message: string,
  by: Attribution,
): void {
  events.emit({ type, message, ...attributed(by) });
}

function resultOf(
  { documents, header, setAside }: ArchiveContents,
  settings: readonly string[],
): ImportResult {
  const count = (name: Parameters<typeof documents.get>[0]): number => documents.get(name)?.length ?? 0;
  return {
    exported_at: header.exported_at,
    ingresses: count("ingress"),
    instances: count("instance"),
    drained_or_paused: count("traffic"),
    certificates: count("certificate"),
    tokens: count("token"),
    set_aside: setAside,
    settings_not_given: header.settings.filter((name) => !settings.includes(name)),
  };
}

/** The bytes of the archive in a body, decrypted: before it may stand a line of JSON with the passphrase. */
async function* archiveIn(request: Request): AsyncGenerator<Uint8Array> {
  // The stream must survive a refusal: destroying it would cut the connection before the answer is read.
  const chunks = (request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)[
    Symbol.asyncIterator
  ]();
  const { passphrase, start } = await beginning(chunks);
  if (!isAge(start)) return yield* following(start, chunks);
  if (passphrase === undefined) throw invalidArchive("it is encrypted: give its passphrase");
  yield* decrypted(following(start, chunks), passphrase, start);
}

async function* following(start: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Uint8Array> {
  yield start;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
}

/** The passphrase, where there is one, and the first bytes of the archive, as many as its kind is known by. */
async function beginning(
  chunks: AsyncIterator<Buffer>,
): Promise<{ readonly passphrase?: string; readonly start: Buffer }> {
  let bytes = Buffer.alloc(0);
  const fill = async (isEnough: () => boolean): Promise<void> => {
    while (!isEnough()) {
      const next = await chunks.next();
      if (next.done === true) return;
      bytes = Buffer.concat([bytes, next.value]);
    }
  };
  await fill(() => bytes.includes(0x0a) || bytes.length > LONGEST_OPTIONS);
  const end = bytes.indexOf(0x0a);
  const line = end === -1 || end > LONGEST_OPTIONS ? undefined : bytes.subarray(0, end);
  const isOptions = line?.at(0) === 0x7b && !line.includes('"gatewright_archive"');
  const { passphrase } = isOptions ? parseBody("ImportOptions", parseJson(line)) : {};
  if (isOptions) bytes = bytes.subarray(end + 1);
  await fill(() => bytes.length >= LONGEST_OPTIONS);
  return { start: bytes, ...(passphrase === undefined ? {} : { passphrase }) };
}
