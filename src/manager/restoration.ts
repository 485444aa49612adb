import { isGatewrightError, type Problem } from "../errors.ts";
import type { Ingress } from "../model/api.ts";
import { placed, refusal } from "../validation/refusal.ts";
import type { Admission } from "./admission.ts";
import type { IngressChange } from "./catalog.ts";

/** Ingresses as they were stored elsewhere, each checked as if they came one after another. Throws with every conflict. */
export function* restoration(
  ingresses: readonly Ingress[],
  admission: Pick<Admission, "checkClaims">,
): Generator<IngressChange> {
  const problems: Problem[] = [];
  for (const after of ingresses) {
    try {
      admission.checkClaims(after);
      yield { after };
    } catch (error) {
      if (!isGatewrightError(error)) throw error;
      problems.push(...placed(`ingress ${after.name}`, error.details));
    }
  }
  if (problems.length > 0) throw refusal(problems);
}
