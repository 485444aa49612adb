import { type Request, type RequestHandler, Router } from "express";
import type { IngressManager, JsonValue, PlannedCall, WantedSet } from "../manager/ingress-manager.ts";
import type { Plan, PlanChange } from "../model/api.ts";
import { canOwn } from "../model/limits.ts";
import { parseBody } from "../validation/schema.ts";
import { mediaTypeOf, readJson } from "./body.ts";
import type { Caller } from "./caller.ts";
import { requiredRevision } from "./conditional.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { NDJSON, readIngressSet, wantedOf } from "./ingress-set-body.ts";
import type { TrafficSource } from "./ingress-traffic.ts";
import { withoutReadOnly } from "./ingresses.ts";
import { type OperationContext, operation } from "./operation.ts";
import { badParameter, enumParameter, matchesTags, TAGS, tagFilter } from "./query.ts";
import { findOne } from "./reference.ts";
import { sendJson } from "./wire.ts";

/** `/plan` and `/apply`. */
export function changeRoutes(
  manager: IngressManager,
  context: OperationContext,
  traffic?: TrafficSource,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/plan")
    .post(plan(manager, context, traffic))
    .all(methodNotAllowed(["POST"]));
  router
    .route("/apply")
    .post(apply(manager, context))
    .all(methodNotAllowed(["POST"]));
  return router;
}

const setQuery = ["prune", "owner", TAGS] as const;

function apply(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = {
    scope: "ingress:write",
    failure: "failed to apply ingresses",
    ownOnly: true,
    changes: "ingress",
    query: setQuery,
  } as const;
  return operation(context, options, async ({ request, response, query, by, caller, permit, settled }) => {
    const goes = pruning(query, caller);
    if (goes !== undefined) permit("ingress:delete");
    const ingresses = await readIngressSet(request, context.maxBodyBytes);
    const set = { ingresses, ...goes, ...requiredRevision(request) };
    const applied = await manager.of(caller).apply(set, by);
    await settled();
    sendJson(response, 200, applied);
  });
}

function plan(manager: IngressManager, context: OperationContext, traffic?: TrafficSource): RequestHandler {
  const options = {
    scope: "ingress:read",
    failure: "failed to plan",
    query: setQuery,
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ request, response, query, caller }) => {
    const own = manager.of(caller);
    const how = { ...pruning(query, caller), ...requiredRevision(request) };
    const told = await own.plan(await plannedCall(own, request, context, how));
    sendJson(response, 200, await withTraffic(told, traffic));
  });
}

/** Ingresses of a plan whose requests are asked for: each is a question to Caddy. */
const MOST_ASKED = 100;

/** The plan with the requests of the last minutes, which would be answered otherwise. Without them where Caddy does not answer. */
export async function withTraffic(told: Plan, traffic: TrafficSource | undefined): Promise<Plan> {
  if (traffic === undefined) return told;
  const served = told.changes.filter(({ op }) => op !== "created").map(({ id }) => id);
  const losing = told.effect?.moves.map(({ from }) => from.id) ?? [];
  const requests = new Map<string, number>();
  for (const id of new Set([...served.slice(0, MOST_ASKED), ...losing])) {
    if (requests.size === MOST_ASKED) break;
    const windows = await traffic.traffic(id).catch(() => undefined);
    // Caddy went away: its answer would be the same for the rest.
    if (windows === undefined) return told;
    requests.set(id, windows["900"]?.requests ?? 0);
  }
  const counted = (id: string) => (requests.get(id) ? { requests: requests.get(id) as number } : undefined);
  const changes = told.changes.map((change) => {
    const seen = change.op === "created" ? undefined : counted(change.id);
    return seen === undefined ? change : { ...change, traffic: seen };
  });
  if (told.effect === undefined) return { ...told, changes };
  const moves = told.effect.moves.map((move) => ({ ...move, ...counted(move.from.id) }));
  return { ...told, changes, effect: { ...told.effect, moves } };
}

/** What of those present and not in the set goes. */
function pruning(query: URLSearchParams, { subject }: Caller): Pick<WantedSet, "goes"> | undefined {
  const prune = enumParameter(query, "prune", ["all", "own", "selected"]);
  const tags = tagFilter(query);
  const owner = prune === "own" ? subject : query.get("owner");
  const selects = tags.size > 0 || query.get("owner") !== null;
  if (prune === undefined && selects)
    throw badParameter(
      query.get("owner") === null ? "tags" : "owner",
      "it selects what `prune=selected` removes: add that",
    );
  if (prune === "selected" && !selects)
    throw badParameter(
      "prune",
      "`selected` needs `tags[key]=value` or `owner`, which select; give `all` for all",
    );
  if (prune === "all" && selects)
    throw badParameter("prune", "`all` takes no `tags[key]` and `owner`: give `selected`");
  if (prune === "own" && query.get("owner") !== null)
    throw badParameter("owner", "`prune=own` is those of the caller: give `selected` for those of another");
  if (prune === "own" && !canOwn(subject))
    throw badParameter(
      "prune",
      `${JSON.stringify(subject)} owns nothing: call with a token that has a subject`,
    );
  if (prune === undefined) return undefined;
  return {
    goes: (one) => {
      const ingress = "reason" in one ? one.ingress : one;
      return matchesTags(ingress?.tags, tags) && (owner === null || ingress?.owner === owner);
    },
  };
}

/** The change that a body tells: one, or a set. */
async function plannedCall(
  manager: IngressManager,
  request: Request,
  { maxBodyBytes: maxBytes }: OperationContext,
  how: Omit<WantedSet, "ingresses">,
): Promise<PlannedCall> {
  if (mediaTypeOf(request) === NDJSON)
    return { kind: "set", set: { ingresses: await readIngressSet(request, maxBytes), ...how } };
  const body = await readJson(request, { types: ["application/json", NDJSON], maxBytes });
  if (Array.isArray(body)) return { kind: "set", set: { ingresses: await wantedOf(body), ...how } };
  if (how.goes !== undefined) throw badParameter("prune", "it is for sets of ingresses");
  return singleCall(manager, parseBody("PlanChange", body));
}

async function singleCall(manager: IngressManager, change: PlanChange): Promise<PlannedCall> {
  const { create, delete: deletion, patch, replace } = change;
  if (create !== undefined) return { kind: "create", ingress: create };
  if (replace !== undefined) {
    const id = await idOf(manager, replace.id);
    return { kind: "replace", id, ingress: withoutReadOnly(replace.ingress, { id }) };
  }
  if (patch !== undefined) {
    const id = await idOf(manager, patch.id);
    return { kind: "patch", id, patch: withoutReadOnly(patch.patch, { id }) as JsonValue };
  }
  return { kind: "delete", id: await idOf(manager, deletion?.id ?? "") };
}

async function idOf(manager: IngressManager, reference: string): Promise<string> {
  const present = await manager.find(reference);
  return present.kind === "set-aside" ? present.ingress.id : (await findOne(() => present)).ingress.id;
}
