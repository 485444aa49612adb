import { Router } from "express";
import type { RunSelection, RunsSource } from "../caddy/caddy-api.ts";
import { GatewrightError } from "../errors.ts";
import { type RunningPart, runningParts } from "../explain/running.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { shapeOf } from "./ingress-filter.ts";
import { streamText } from "./json-stream.ts";
import { type OperationContext, operation } from "./operation.ts";
import { findOne } from "./reference.ts";
import { toWire } from "./wire.ts";

/** Each holds a connection to Caddy until its client has read all. */
const MOST_AT_ONCE = 2;

/** `/config`. */
export function configRoutes(
  caddy: RunsSource,
  manager: Pick<IngressManager, "of">,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "admin:read",
    failure: "failed to read what runs",
    query: ["hostname", "ingress"],
    ownOnly: true,
  } as const;
  let running = 0;
  router
    .route("/config")
    .get(
      operation(context, options, async ({ query, response, caller }) => {
        const isLimited = caller.limits !== undefined;
        if (isLimited && (query.get("ingress") === null || query.get("hostname") !== null)) throw notWhole();
        const selection = await selectionOf(query, manager.of(caller));
        if (running >= MOST_AT_ONCE)
          throw new GatewrightError(
            "overloaded",
            "other calls read the configuration; try again when they are done",
          );
        running++;
        try {
          const parts = runningParts(caddy, selection);
          await streamText(response, textOf(isLimited ? withoutVersions(parts) : parts));
        } finally {
          running--;
        }
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

function notWhole(): GatewrightError {
  return new GatewrightError(
    "Forbidden",
    "what runs is everybody's: with a token with limits give `ingress`, one of yours, alone",
  );
}

/** Their numbers count the changes of everybody. */
async function* withoutVersions(
  parts: AsyncIterable<readonly RunningPart[]>,
): AsyncGenerator<readonly RunningPart[]> {
  for await (const batch of parts)
    yield batch.map((one) => (one.part === "versions" ? { part: "versions", value: {} } : one));
}

/** Throws `not_found`, `ambiguous` and `Bad Request`. */
async function selectionOf(
  query: URLSearchParams,
  manager: Pick<IngressManager, "find">,
): Promise<RunSelection> {
  const host = shapeOf(query.get("hostname"));
  const reference = query.get("ingress");
  const found = reference === null ? undefined : await findOne(() => manager.find(reference));
  return {
    ...(host === undefined ? {} : { host }),
    ...(found === undefined ? {} : { ingress: found.ingress.id }),
  };
}

/** One object: the parts before the rows, the rows as an array, the policy sets as an object. */
async function* textOf(parts: AsyncIterable<readonly RunningPart[]>): AsyncGenerator<string> {
  let separator = "{";
  let inSets = false;
  let inRows = false;
  for await (const batch of parts) {
    for (const { part, key, value } of batch) {
      if (part === "policy_sets" && !inSets) {
        if (!inRows) yield `${separator}"rows":[`;
        [inSets, inRows, separator] = [true, true, '],"policy_sets":{'];
      } else if (part === "rows" && !inRows) {
        yield separator;
        [inRows, separator] = [true, '"rows":['];
      }
      const name = part === "rows" ? "" : `${JSON.stringify(key ?? part)}:`;
      yield `${separator}${name}${toWire(value)}`;
      separator = ",";
    }
  }
  if (!inRows) yield `${separator}"rows":[`;
  yield inSets ? "}}\n" : '],"policy_sets":{}}\n';
}
