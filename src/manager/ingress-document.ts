import type { CreateIngressRequest, Ingress, IngressRule } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { canOwn } from "../model/limits.ts";
import { normalizePlace } from "../validation/ingress.ts";

/** `created_at` and `updated_at` of what replaces an ingress. The clock may have been set back; the order stays. */
export function timesAfter(before: Ingress | undefined): [createdAt: string, updatedAt: string] {
  const now = Date.now();
  const last = before === undefined ? now : Date.parse(before.updated_at);
  const updated = new Date(last > now ? last : now).toISOString();
  return [before?.created_at ?? updated, updated];
}

/** Whose an ingress is that somebody makes; undefined for nobody's. */
export function ownerOf({ actor: { subject, via } }: Attribution): string | undefined {
  return via === "api" && canOwn(subject) ? subject : undefined;
}

/** The document that is stored. */
export function ingressOf(
  id: string,
  request: CreateIngressRequest,
  rules: readonly IngressRule[],
  createdAt: string,
  updatedAt: string,
  owner: string | undefined,
): Ingress {
  const tags =
    request.tags !== undefined && Object.keys(request.tags).length > 0 ? { tags: request.tags } : {};
  const place = normalizePlace(request);
  return {
    id,
    name: request.name,
    ...tags,
    ...place,
    ...(owner === undefined ? {} : { owner }),
    rules: [...rules],
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

/** The request that would make the ingress again. */
export function requestOf({ name, tags, listen, gateways, rules }: Ingress): CreateIngressRequest {
  // Through JSON: keys that are absent stay so.
  return JSON.parse(JSON.stringify({ name, tags, listen, gateways, rules })) as CreateIngressRequest;
}
