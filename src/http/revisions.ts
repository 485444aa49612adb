import { setImmediate } from "node:timers/promises";
import { type Request, type RequestHandler, Router } from "express";
import { GatewrightError } from "../errors.ts";
import { differencesOf } from "../manager/ingress-difference.ts";
import type { IngressManager, IngressRevision, RevisedIngress } from "../manager/ingress-manager.ts";
import type { Revision as RevisionAnswer, RevisionChange, RevisionSummary } from "../model/api.ts";
import { withTraffic } from "./changes.ts";
import { requiredRevision } from "./conditional.ts";
import { methodNotAllowed } from "./error-handler.ts";
import type { TrafficSource } from "./ingress-traffic.ts";
import { type OperationContext, operation } from "./operation.ts";
import { enumParameter, integerParameter } from "./query.ts";
import { sendJson } from "./wire.ts";

const MOST_LISTED = 1_000;
/** Revisions that are looked at for a page of those that have changes of the caller's. */
const MOST_LOOKED_AT = 1_000;
/** Changes of a revision that its entry in the list names. */
const MOST_NAMED = 10;

/** `/revisions`, `/revisions/{revision}` and `/revisions/{revision}/rollback`. */
export function revisionRoutes(
  manager: IngressManager,
  context: OperationContext,
  traffic?: TrafficSource,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/revisions")
    .get(listRevisions(manager, context))
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/revisions/:revision")
    .get(getRevision(manager, context))
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/revisions/:revision/rollback")
    .post(rollBack(manager, context, traffic))
    .all(methodNotAllowed(["POST"]));
  return router;
}

function listRevisions(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = {
    scope: "ingress:read",
    failure: "failed to list revisions",
    query: ["limit", "before"],
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ response, query, caller }) => {
    const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED }) ?? 50;
    const before = integerParameter(query, "before", { min: 1, max: Number.MAX_SAFE_INTEGER });
    const listed: RevisionSummary[] = [];
    let looked = 0;
    let last = 0;
    for await (const revision of manager.of(caller).revisions(before)) {
      if (listed.length === limit || looked === MOST_LOOKED_AT) {
        response.setHeader("Link", `</revisions?limit=${limit}&before=${last}>; rel="next"`);
        break;
      }
      looked += 1;
      last = revision.revision;
      if (hasChanges(revision)) listed.push(summaryOf(revision));
    }
    sendJson(response, 200, listed);
  });
}

function getRevision(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = {
    scope: "ingress:read",
    failure: "failed to get revision",
    query: ["limit", "offset"],
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ request, response, query, caller }) => {
    const number = numberOf(request);
    const limit = integerParameter(query, "limit", { min: 1, max: MOST_LISTED }) ?? 100;
    const offset = integerParameter(query, "offset", { min: 0, max: 1_000_000 }) ?? 0;
    for await (const revision of manager.of(caller).revisions(number + 1)) {
      if (revision.revision !== number || !hasChanges(revision)) break;
      return sendJson(response, 200, await answerOf(revision, offset, limit));
    }
    throw new GatewrightError("not_found", `revision ${number} is not kept, or never was`);
  });
}

function rollBack(
  manager: IngressManager,
  context: OperationContext,
  traffic?: TrafficSource,
): RequestHandler {
  const options = {
    scope: "ingress:write",
    failure: "failed to roll back",
    changes: "ingress",
    query: ["dry_run"],
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ request, response, query, by, caller, permit, settled }) => {
    permit("ingress:delete");
    const own = manager.of(caller);
    const to = numberOf(request);
    const set = await own.rollbackTo(to, requiredRevision(request).revision);
    if (enumParameter(query, "dry_run", ["true", "false"]) === "true")
      return sendJson(response, 200, await withTraffic(await own.plan({ kind: "set", set }), traffic));
    const applied = await own.apply(set, { message: `rollback to revision ${to}`, ...by });
    await settled();
    sendJson(response, 200, applied);
  });
}

/** One without is of others alone. */
function hasChanges({ changed, created, deleted }: IngressRevision): boolean {
  return created + changed + deleted > 0;
}

function numberOf(request: Request): number {
  const text = request.params["revision"];
  if (typeof text !== "string" || !/^\d{1,15}$/.test(text))
    throw new GatewrightError("not_found", "resource not found: revisions are numbers");
  return Number(text);
}

function summaryOf(revision: IngressRevision): RevisionSummary {
  const { authors, at, changed, created, deleted } = revision;
  const [first = []] = revision.changes();
  const changes = first.slice(0, MOST_NAMED).map(toldChange);
  return { revision: revision.revision, at, authors, created, changed, deleted, changes };
}

async function answerOf(revision: IngressRevision, offset: number, limit: number): Promise<RevisionAnswer> {
  const changes: RevisionChange[] = [];
  let passed = 0;
  for (const part of revision.changes()) {
    for (const change of part.slice(Math.max(0, offset - passed)))
      if (changes.length < limit) changes.push(wholeChange(change));
    passed += part.length;
    if (changes.length === limit) break;
    // There may be a thousand parts.
    await setImmediate();
  }
  return { ...summaryOf(revision), changes };
}

function toldChange({ before, after }: RevisedIngress): RevisionSummary["changes"][number] {
  const op = before === undefined ? "created" : after === undefined ? "deleted" : "changed";
  const { id = "", name = "" } = after ?? before ?? {};
  return { op, id, name };
}

function wholeChange(change: RevisedIngress): RevisionChange {
  const { author, before, after } = change;
  return {
    ...toldChange(change),
    author,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    differences: after === undefined ? [] : differencesOf(before, after),
  };
}
