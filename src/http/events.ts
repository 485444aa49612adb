import { type Request, type RequestHandler, Router } from "express";
import { GatewrightError } from "../errors.ts";
import type { EventReader } from "../events/event-log.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Event } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { eventFilter } from "./event-filter.ts";
import type { EventStreams, StreamOptions } from "./event-streams.ts";
import { matching, streamJsonArray } from "./json-stream.ts";
import { type OperationContext, operation } from "./operation.ts";
import { type Own, ownOf } from "./own.ts";
import { ownEvent } from "./own-events.ts";
import { badParameter, enumParameter, integerParameter } from "./query.ts";
import { sendEmpty } from "./wire.ts";

/** What the route of events needs. */
export interface EventParts {
  readonly log: EventReader;
  readonly streams: Pick<EventStreams, "begin" | "cutThoseOf">;
}

const DEFAULT_LIMIT = 100;
const MOST_LISTED = 10_000;

/** `/events`: as they come, or a list of the last ones. */
export function eventRoutes(parts: EventParts, manager: IngressManager, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/events")
    .get(getEvents(parts, manager, context))
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

function getEvents(
  { log, streams }: EventParts,
  manager: IngressManager,
  context: OperationContext,
): RequestHandler {
  const options = {
    scope: "admin:read",
    failure: "failed to get the events",
    query: ["type", "ingress", "instance", "since", "limit", "follow"],
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ request, response, query, caller }) => {
    const select = selection(eventFilter(query), ownOf(manager, caller));
    const since = sinceOf(request, query);
    const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED });
    response.setHeader("Vary", "Accept");
    if (!follows(request, query)) {
      const found = newest(log, { select, since: since ?? -1, limit: limit ?? DEFAULT_LIMIT });
      return streamJsonArray(response, request.method === "HEAD" ? [] : found);
    }
    if (limit !== undefined)
      throw badParameter("limit", "a stream has none: ask with follow=false for a list");
    if (request.method === "HEAD") {
      response.setHeader("Content-Type", "text/event-stream");
      return sendEmpty(response, 200);
    }
    const { expiresAtMs: endsAtMs, sessionId, tokenId } = caller;
    streams.begin(response, { after: since ?? log.lastId, select, endsAtMs, of: [tokenId, sessionId] });
  });
}

/** `follow` decides, else what the client likes best; whoever takes anything gets the stream. */
function follows(request: Request, query: URLSearchParams): boolean {
  const follow = enumParameter(query, "follow", ["true", "false"]);
  if (follow !== undefined) return follow === "true";
  return request.accepts(["text/event-stream", "application/json"]) !== "application/json";
}

/** The id after which events are wanted: `since`, else what a client that comes back had last. */
function sinceOf(request: Request, query: URLSearchParams): number | undefined {
  const given = query.get("since");
  if (given !== null) {
    if (isId(given)) return Number(given);
    throw badParameter("since", "value must be the id of an event, or 0 for all that are kept");
  }
  const last = request.get("last-event-id");
  if (last === undefined || last === "") return undefined;
  if (isId(last)) return Number(last);
  throw new GatewrightError(
    "Bad Request",
    "header Last-Event-ID has an error: value must be the id of an event",
  );
}

function isId(text: string): boolean {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text));
}

/** What is filtered is what is shown: a filter must not find out what is not. */
function selection(matches: (event: Event) => boolean, own: Own | undefined): StreamOptions["select"] {
  return (event) => {
    const shown = own === undefined ? event : ownEvent(event, own);
    return shown !== undefined && matches(shown) ? shown : undefined;
  };
}

interface ListOptions {
  readonly select: StreamOptions["select"];
  /** Ids above this one. */
  readonly since: number;
  readonly limit: number;
}

async function* newest(
  log: EventReader,
  { select, since, limit }: ListOptions,
): AsyncGenerator<readonly Event[]> {
  let left = limit;
  for await (const batch of matching(log.newest(), ({ id }) => id > since)) {
    const selected = batch.flatMap(({ event }) => select(event) ?? []).slice(0, left);
    yield selected;
    left -= selected.length;
    if (left <= 0) return;
  }
}
