import { Router } from "express";
import type { LogTail } from "../caddy/log-tail.ts";
import type { CaddyLogEntry } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { integerParameter } from "./query.ts";
import { sendJson } from "./wire.ts";

const DEFAULT_LIMIT = 200;
const MOST_LISTED = 1_000;

/** `/caddy/log`. */
export function caddyLogRoutes(tail: Pick<LogTail, "newest">, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "admin:read",
    failure: "failed to get Caddy's log",
    query: ["after", "limit"],
  } as const;
  router
    .route("/caddy/log")
    .get(
      operation(context, options, ({ response, query }) => {
        const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED }) ?? DEFAULT_LIMIT;
        const after = integerParameter(query, "after", { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0;
        const entries: readonly CaddyLogEntry[] = tail.newest(after, limit);
        sendJson(response, 200, entries);
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
