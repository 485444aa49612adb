import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import type { Instance, SetAsideIngress } from "../model/api.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { guarded } from "./operation.ts";
import type { Own } from "./own.ts";

/** The `{id}` of the request's path, percent-decoded. */
export function referenceOf(request: Request): string {
  const reference = request.params["id"];
  return typeof reference === "string" ? reference : "";
}

/** Finds the instance that the path names, among those of `own` where that is given. Throws `source_unavailable`, and as `findOne`. */
export async function findInstance(
  request: Request,
  resolver: Pick<InstanceResolver, "reference" | "list">,
  own?: Own,
): Promise<Instance> {
  const reference = referenceOf(request);
  const { instance } = await findOne(async () => {
    if (reference === "") return { kind: "unknown" };
    if (own !== undefined) return ofOwn(reference, resolver.list(), own);
    const result = await resolver.reference(reference);
    if (result.kind === "unavailable") throw new GatewrightError("source_unavailable", result.reason);
    return result;
  });
  return instance;
}

/** Others' do not exist, not even as further ones that a prefix fits. */
function ofOwn(
  reference: string,
  all: readonly Instance[],
  own: Own,
): Lookup<{ readonly kind: "found"; readonly instance: Instance }> {
  const found = (fits: (one: Instance) => boolean): readonly Instance[] =>
    all.filter((one) => fits(one) && own.hasInstance(one));
  for (const fits of [
    ({ id }: Instance) => id === reference,
    ({ name }: Instance) => name === reference,
    ({ id }: Instance) => id.startsWith(reference),
  ]) {
    const [instance, second] = found(fits);
    if (second !== undefined) return { kind: "ambiguous" };
    if (instance !== undefined) return { kind: "found", instance };
  }
  return { kind: "unknown" };
}

type Lookup<Found> =
  | Found
  | { readonly kind: "set-aside"; readonly ingress: SetAsideIngress }
  | { readonly kind: "ambiguous" }
  | { readonly kind: "unknown" };

/**
 * Takes the one resource that a lookup finds. Throws `not_found`, `ambiguous` and the 500 in hypeman's words, and
 * `ingress_set_aside`.
 */
export async function findOne<Found extends { readonly kind: "found" }>(
  lookup: () => Lookup<Found> | Promise<Lookup<Found>>,
): Promise<Found> {
  const result = await guarded("failed to resolve resource", lookup);
  if (result.kind === "found") return result;
  if (result.kind === "set-aside") {
    const { id, problems } = result.ingress;
    const message = `ingress ${id} is set aside and not served: ${problems[0]?.message}; replace it (PUT) or delete it, GET /ingresses?state=set-aside shows it`;
    throw new GatewrightError("ingress_set_aside", message, { details: problems });
  }
  if (result.kind === "ambiguous")
    throw new GatewrightError("ambiguous", "multiple resources match, use full ID");
  throw new GatewrightError("not_found", "resource not found");
}
