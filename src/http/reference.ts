import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import { guarded } from "./operation.ts";

/** The `{id}` of the request's path, percent-decoded. */
export function referenceOf(request: Request): string {
  const reference = request.params["id"];
  return typeof reference === "string" ? reference : "";
}

type Lookup<Found> = Found | { readonly kind: "ambiguous" } | { readonly kind: "unknown" };

/** Takes the one resource that a lookup finds. Throws `not_found`, `ambiguous` and the 500 in hypeman's words. */
export async function findOne<Found extends { readonly kind: "found" }>(
  lookup: () => Lookup<Found> | Promise<Lookup<Found>>,
): Promise<Found> {
  const result = await guarded("failed to resolve resource", lookup);
  if (result.kind === "found") return result;
  if (result.kind === "ambiguous")
    throw new GatewrightError("ambiguous", "multiple resources match, use full ID");
  throw new GatewrightError("not_found", "resource not found");
}
