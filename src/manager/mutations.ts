import { hash } from "node:crypto";
import { GatewrightError } from "../errors.ts";
import type { CreateIngressRequest, Ingress, SetAsideIngress } from "../model/api.ts";
import { makeId } from "../model/id.ts";
import { isDocumentId } from "../store/document-id.ts";
import type { Admission } from "./admission.ts";
import type { Catalog, IngressChange } from "./catalog.ts";
import { ingressOf, timesAfter } from "./ingress-document.ts";
import type { Mutation } from "./writer.ts";

/** What mutations are decided with. */
export interface MutationParts {
  readonly admission: Admission;
  readonly catalog: Catalog;
}

/** What a mutation does, whoever makes it. */
export type Decision = Pick<Mutation, "decide">;

/** Makes an ingress. Throws with every problem of the document. */
export async function creation(
  request: CreateIngressRequest,
  { admission }: MutationParts,
  owner?: string,
): Promise<Decision> {
  const rules = await admission.admit(request);
  const now = new Date().toISOString();
  const after = ingressOf(makeId(), request, rules, now, now, owner);
  return {
    decide: () => {
      admission.checkClaims(after);
      return [{ after }];
    },
  };
}

/** Replaces an ingress, of the version `ifMatch` where one is given. Throws with every problem of the document. */
export async function replacement(
  id: string,
  request: CreateIngressRequest,
  ifMatch: string | undefined,
  { admission, catalog }: MutationParts,
): Promise<Decision> {
  const rules = await admission.admit(request, id);
  return {
    decide: () => {
      const present = presentIn(catalog, id, ifMatch);
      const stored = present.before ?? present.setAside?.ingress;
      const after = ingressOf(id, request, rules, ...timesAfter(stored), stored?.owner);
      admission.checkClaims(after);
      return [{ ...present, after }];
    },
  };
}

/** Deletes an ingress, of the version `ifMatch` where one is given. */
export function deletion(id: string, ifMatch: string | undefined, { catalog }: MutationParts): Decision {
  return { decide: () => [presentIn(catalog, id, ifMatch)] };
}

/**
 * What is stored under an id, as the writer sees it now. Throws `not_found`, `precondition_failed`, and
 * `ingress_set_aside` for a file that no id names.
 */
export function presentIn(
  catalog: Catalog,
  id: string,
  ifMatch: string | undefined,
): Pick<IngressChange, "before" | "setAside"> {
  const stored = catalog.stored(id);
  const present = stored.before ?? stored.setAside;
  if (present === undefined) throw new GatewrightError("not_found", "resource not found");
  if (!isDocumentId(id)) {
    const message = `the name of the file ${id}.json is no id of an ingress: stop Gatewright, move the file away, and start it again`;
    throw new GatewrightError("ingress_set_aside", message);
  }
  if (ifMatch !== undefined && ifMatch !== etagOf(present)) {
    throw new GatewrightError(
      "precondition_failed",
      "the ingress was changed meanwhile; read it again and repeat the change",
    );
  }
  return stored;
}

/** The version of an ingress: changes with every change of what it says. */
export function etagOf(ingress: Ingress | SetAsideIngress): string {
  return hash("sha256", JSON.stringify(ingress)).slice(0, 32);
}
