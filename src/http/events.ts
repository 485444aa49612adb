import { type RequestHandler, Router } from "express";
import type { EventReader } from "../events/event-log.ts";
import type { KeptEvent } from "../events/kept-event.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Event } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { eventFilter } from "./event-filter.ts";
import type { EventStreams, Told } from "./event-streams.ts";
import { matching, streamJsonArray } from "./json-stream.ts";
import { type OperationContext, operation } from "./operation.ts";
import { type Own, ownOf } from "./own.ts";
import { ownEvent } from "./own-events.ts";
import { badParameter, integerParameter } from "./query.ts";
import { startOf, wantsStream } from "./stream-request.ts";
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
    const since = startOf(request, query, "since");
    const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED });
    response.setHeader("Vary", "Accept");
    if (!wantsStream(request, query, "stream")) {
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
    const tell = (kept: KeptEvent): Told | undefined => {
      const shown = select(kept.event);
      if (shown === undefined) return undefined;
      return { type: shown.type, data: shown === kept.event ? kept.text : JSON.stringify(shown) };
    };
    streams.begin(response, log, { after: since ?? log.lastId, tell, endsAtMs, of: [tokenId, sessionId] });
  });
}

/** The event as a caller is told of it; undefined for one that is not. */
type Select = (event: Event) => Event | undefined;

/** What is filtered is what is shown: a filter must not find out what is not. */
function selection(matches: (event: Event) => boolean, own: Own | undefined): Select {
  return (event) => {
    const shown = own === undefined ? event : ownEvent(event, own);
    return shown !== undefined && matches(shown) ? shown : undefined;
  };
}

interface ListOptions {
  readonly select: Select;
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
