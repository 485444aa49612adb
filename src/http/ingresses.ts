import { type Request, type RequestHandler, type Response, Router } from "express";
import { GatewrightError } from "../errors.ts";
import type { IngressManager, JsonValue } from "../manager/ingress-manager.ts";
import type { CreateIngressRequest, Ingress, ReplaceIngressRequest } from "../model/api.ts";
import { STORE_HEADER } from "../model/store-header.ts";
import { hasVersion, requiredVersion } from "./conditional.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { ingressFilter, type Listed } from "./ingress-filter.ts";
import { matching, streamJsonArray } from "./json-stream.ts";
import { bodyOperation, guarded, type OperationContext, operation } from "./operation.ts";
import { pageAt, pageIn } from "./pages.ts";
import { badParameter, enumParameter, TAGS } from "./query.ts";
import { findOne, referenceOf } from "./reference.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** What all changes of one ingress have in common. */
const change = { scope: "ingress:write", ownOnly: true, changes: "ingress" } as const;

/** `/ingresses` and `/ingresses/{id}`. */
export function ingressRoutes(manager: IngressManager, context: OperationContext, storeId?: string): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/ingresses")
    .get(listIngresses(manager, context, storeId))
    .post(createIngress(manager, context))
    .all(methodNotAllowed(["GET", "HEAD", "POST"]));
  router
    .route("/ingresses/:id")
    .get(getIngress(manager, context))
    .put(replaceIngress(manager, context))
    .patch(patchIngress(manager, context))
    .delete(deleteIngress(manager, context))
    .all(methodNotAllowed(["GET", "HEAD", "PUT", "PATCH", "DELETE"]));
  return router;
}

function createIngress(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = { ...change, failure: "failed to create ingress", schema: "CreateIngressRequest" } as const;
  return bodyOperation(context, options, async ({ response, body, by, caller, settled }) => {
    const created = await manager.of(caller).create(body, by);
    await settled();
    response.setHeader("Location", `/ingresses/${created.id}`);
    sendIngress(manager, response, 201, created);
  });
}

function getIngress(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = { scope: "ingress:read", failure: "failed to get ingress", ownOnly: true } as const;
  return operation(context, options, async ({ request, response, caller }) => {
    const ingress = await find(manager.of(caller), request);
    const version = manager.etag(ingress);
    if (!hasVersion(request, version)) return sendIngress(manager, response, 200, ingress);
    response.setHeader("ETag", `"${version}"`);
    sendEmpty(response, 304);
  });
}

function replaceIngress(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = {
    ...change,
    failure: "failed to replace ingress",
    schema: "ReplaceIngressRequest",
  } as const;
  return bodyOperation(context, options, async ({ request, response, body, by, caller, settled }) => {
    const own = manager.of(caller);
    const ingress = await findStored(own, request);
    const wanted: CreateIngressRequest = withoutReadOnly(body, ingress);
    const version = requiredVersion(request, manager.etag(ingress));
    const replaced = await own.replace(ingress.id, wanted, version, by);
    await settled();
    sendIngress(manager, response, 200, replaced);
  });
}

function patchIngress(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = {
    ...change,
    failure: "failed to change ingress",
    schema: "PatchIngressRequest",
    types: ["application/merge-patch+json", "application/json"],
  } as const;
  return bodyOperation(context, options, async ({ request, response, body, by, caller, settled }) => {
    const own = manager.of(caller);
    const ingress = await find(own, request);
    // It was parsed from JSON: what the schema's type says of absent keys holds.
    const patch = withoutReadOnly(body, ingress) as JsonValue;
    const version = requiredVersion(request, manager.etag(ingress));
    const patched = await own.patch(ingress.id, patch, version, by);
    await settled();
    sendIngress(manager, response, 200, patched);
  });
}

function deleteIngress(manager: IngressManager, context: OperationContext): RequestHandler {
  const options = { ...change, scope: "ingress:delete", failure: "failed to delete ingress" } as const;
  return operation(context, options, async ({ request, response, by, caller, settled }) => {
    const own = manager.of(caller);
    const ingress = await findStored(own, request);
    await own.delete(ingress.id, requiredVersion(request, manager.etag(ingress)), by);
    await settled();
    sendEmpty(response, 204);
  });
}

function listIngresses(
  manager: IngressManager,
  context: OperationContext,
  storeId: string | undefined,
): RequestHandler {
  const options = {
    scope: "ingress:read",
    failure: "failed to list ingresses",
    ownOnly: true,
    query: ["name", "hostname", "instance", "q", TAGS, "state", "sort", "limit", "cursor", "offset"],
  } as const;
  return operation(context, options, async ({ request, response, query, caller }) => {
    const own = manager.of(caller);
    if (storeId !== undefined) response.setHeader(STORE_HEADER, storeId);
    const matches = ingressFilter(query);
    const page = pageIn(query);
    const isSetAside = enumParameter(query, "state", ["served", "set-aside"]) === "set-aside";
    const order = enumParameter(query, "sort", ["id", "name"]);
    checkOffset(query);
    const selected = matching<Listed>(isSetAside ? own.setAside() : own.list(order), matches);
    const listed =
      page === undefined
        ? selected
        : [
            await (query.has("offset")
              ? pageAt(response, selected, page)
              : firstOf(response, query, selected, page.limit)),
          ];
    // A HEAD's body would be thrown away, one entry after another.
    await streamJsonArray(response, request.method === "HEAD" ? [] : listed);
  });
}

function sendIngress(manager: IngressManager, response: Response, status: number, ingress: Ingress): void {
  response.setHeader("ETag", `"${manager.etag(ingress)}"`);
  sendJson(response, status, ingress);
}

async function find(manager: IngressManager, request: Request): Promise<Ingress> {
  return (await findOne(() => manager.find(referenceOf(request)))).ingress;
}

/** Finds an ingress that is to be replaced or deleted, which one that is set aside may be. */
async function findStored(manager: IngressManager, request: Request): Promise<Listed> {
  const found = await guarded("failed to resolve resource", () => manager.find(referenceOf(request)));
  return found.kind === "set-aside" ? found.ingress : (await findOne(() => found)).ingress;
}

/** What GET answers can be sent back: the keys that are not the caller's to set are dropped. */
export function withoutReadOnly<
  Body extends Pick<ReplaceIngressRequest, "id" | "created_at" | "updated_at" | "owner">,
>(body: Body, ingress: Pick<Ingress, "id">): Omit<Body, "id" | "created_at" | "updated_at" | "owner"> {
  const { id, created_at, updated_at, owner, ...rest } = body;
  if (id === undefined || id === ingress.id) return rest;
  const message = "invalid request: id is not the id of this ingress";
  const problem = {
    code: "invalid_value",
    field: "id",
    message: "an id cannot be changed: leave it out",
  } as const;
  throw new GatewrightError("bad_request", message, { details: [problem] });
}

/** The first of those selected; names the next page in the answer's `Link` when there is one. */
async function firstOf(
  response: Response,
  query: URLSearchParams,
  selected: AsyncIterable<readonly Listed[]>,
  limit: number,
): Promise<readonly Listed[]> {
  const page: Listed[] = [];
  for await (const batch of selected) {
    page.push(...batch);
    if (page.length <= limit) continue;
    response.setHeader("Link", nextLink(query, page[limit - 1]));
    break;
  }
  return page.slice(0, limit);
}

/** Throws `Bad Request` where two things say where a page begins, or nothing does: the order of names has no cursor. */
function checkOffset(query: URLSearchParams): void {
  if (query.has("offset") && query.has("cursor"))
    throw badParameter("offset", "it says where a page begins, as `cursor` does: give one of them");
  if (!query.has("offset") && query.get("sort") === "name" && query.has("limit"))
    throw badParameter("sort", "pages by name begin at an `offset`: give that, 0 for the first one");
}

/** RFC 8288. The cursor is the last id seen: it stays right whatever is created or deleted meanwhile. */
function nextLink(query: URLSearchParams, last: Listed | undefined): string {
  const next = new URLSearchParams(query);
  next.set("cursor", last?.id ?? "");
  return `</ingresses?${next}>; rel="next"`;
}
