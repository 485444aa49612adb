import { type RequestHandler, Router } from "express";
import { GatewrightError } from "../errors.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Instance, InstanceState } from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { InstanceRegistry } from "../resolver/registry.ts";
import { hold } from "./byte-budget.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { matching, streamJsonArray } from "./json-stream.ts";
import { bodyOperation, type OperationContext, operation } from "./operation.ts";
import { ownOf } from "./own.ts";
import { PAGE_KEYS, pageAt, pageIn } from "./pages.ts";
import { containsFilter, enumParameter, matchesTags, TAGS, tagFilter } from "./query.ts";
import { findInstance, referenceOf } from "./reference.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** The embedded registry, as far as the HTTP layer writes to it. */
export type WritableRegistry = Pick<InstanceRegistry, "put" | "delete">;

/** What the instance routes need. Without `registry` instances come from elsewhere and cannot be written here. */
export interface InstanceSources {
  readonly resolver: InstanceResolver;
  readonly registry?: WritableRegistry;
  readonly manager: IngressManager;
}

/** `/instances` and `/instances/{id}`. */
export function instanceRoutes(sources: InstanceSources, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/instances")
    .get(listInstances(sources, context))
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/instances/:id")
    .get(getInstance(sources, context))
    .put(putInstance(sources, context))
    .delete(deleteInstance(sources, context))
    .all(methodNotAllowed(["GET", "HEAD", "PUT", "DELETE"]));
  return router;
}

function listInstances({ manager, resolver }: InstanceSources, context: OperationContext): RequestHandler {
  const options = {
    scope: "instance:read",
    failure: "failed to list instances",
    query: ["state", "name", "q", TAGS, ...PAGE_KEYS],
    ownOnly: true,
  } as const;
  const states = document.components.schemas.InstanceState.enum as readonly InstanceState[];
  return operation(context, options, async ({ request, response, query, caller }) => {
    const own = ownOf(manager, caller);
    const filter = tagFilter(query);
    const state = enumParameter(query, "state", states);
    const name = query.get("name");
    const contains = containsFilter(query);
    const page = pageIn(query);
    const matches = (instance: Instance): boolean =>
      (own === undefined || own.hasInstance(instance)) &&
      (state === undefined || instance.state === state) &&
      (name === null || instance.name === name) &&
      matchesTags(instance.tags, filter) &&
      (contains === undefined || [instance.id, instance.name, instance.service].some(contains));
    // A page of a HEAD says how many there are.
    const all = request.method === "HEAD" && page === undefined ? [] : resolver.list();
    // A list that a slow client keeps is a pointer for each instance.
    hold(response, all.length * 8);
    const selected = matching(all, matches);
    await streamJsonArray(response, page === undefined ? selected : [await pageAt(response, selected, page)]);
  });
}

function getInstance({ manager, resolver }: InstanceSources, context: OperationContext): RequestHandler {
  const options = { scope: "instance:read", failure: "failed to get instance", ownOnly: true } as const;
  return operation(context, options, async ({ request, response, caller }) =>
    sendJson(response, 200, await findInstance(request, resolver, ownOf(manager, caller))),
  );
}

function putInstance(sources: InstanceSources, context: OperationContext): RequestHandler {
  const options = {
    scope: "instance:write",
    failure: "failed to put instance",
    changes: "instance",
    schema: "PutInstanceRequest",
  } as const;
  return bodyOperation(context, options, async ({ request, response, body, by, settled }) => {
    const { instance, created } = await writable(sources).put(referenceOf(request), body, by);
    await settled();
    if (created) response.setHeader("Location", `/instances/${instance.id}`);
    sendJson(response, created ? 201 : 200, instance);
  });
}

function deleteInstance(sources: InstanceSources, context: OperationContext): RequestHandler {
  const options = {
    scope: "instance:write",
    failure: "failed to delete instance",
    changes: "instance",
  } as const;
  return operation(context, options, async ({ request, response, by, settled }) => {
    await writable(sources).delete(referenceOf(request), by);
    await settled();
    sendEmpty(response, 204);
  });
}

function writable(sources: InstanceSources): WritableRegistry {
  if (sources.registry !== undefined) return sources.registry;
  throw new GatewrightError(
    "source_read_only",
    "instances come from another source (INSTANCE_SOURCE) and cannot be written here",
  );
}
