import { Router } from "express";
import type { LogReader } from "../caddy/log-tail.ts";
import type { CaddyLogEntry } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import type { EventStreams } from "./event-streams.ts";
import { type OperationContext, operation } from "./operation.ts";
import { badParameter, integerParameter } from "./query.ts";
import { startOf, wantsStream } from "./stream-request.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** What the route of Caddy's log needs. */
export interface CaddyLogParts {
  readonly tail: LogReader;
  readonly streams: Pick<EventStreams, "begin">;
}

const DEFAULT_LIMIT = 200;
const MOST_LISTED = 1_000;

/** `/caddy/log`: a list of the last entries, or a stream of them as they come. */
export function caddyLogRoutes({ streams, tail }: CaddyLogParts, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "admin:read",
    failure: "failed to get Caddy's log",
    query: ["after", "limit", "follow"],
  } as const;
  const tell = (entry: CaddyLogEntry) => ({ type: "entry", data: JSON.stringify(entry) });
  router
    .route("/caddy/log")
    .get(
      operation(context, options, ({ caller, query, request, response }) => {
        const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED });
        const after = startOf(request, query, "after");
        response.setHeader("Vary", "Accept");
        if (!wantsStream(request, query, "list"))
          return sendJson(response, 200, tail.newest(after ?? 0, limit ?? DEFAULT_LIMIT));
        if (limit !== undefined) throw badParameter("limit", "a stream has none: ask for a list");
        if (request.method === "HEAD") {
          response.setHeader("Content-Type", "text/event-stream");
          return sendEmpty(response, 200);
        }
        const { expiresAtMs: endsAtMs, sessionId, tokenId } = caller;
        const from = after === 0 ? tail.droppedId : (after ?? tail.lastId);
        streams.begin(response, tail, { after: from, tell, endsAtMs, of: [tokenId, sessionId] });
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
