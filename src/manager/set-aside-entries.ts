import type { Problem } from "../errors.ts";
import type { Ingress, SetAsideIngress } from "../model/api.ts";
import { isNamed, protocolOf } from "../model/protocol.ts";
import type { UnreadableDocument } from "../store/document-store.ts";
import { unreadableClaims } from "./unreadable-claims.ts";

/** Of a file that cannot be read, this much of its text is kept: characters. */
const MAX_TEXT = 16 * 1024;

/** An ingress that cannot be served beside the others, or by this Caddy. */
export function inConflict(
  ingress: Ingress,
  problems: readonly Problem[],
  reason: "conflict" | "refused",
): SetAsideIngress {
  return {
    id: ingress.id,
    name: ingress.name,
    reason,
    problems,
    hostnames: [...new Set(ingress.rules.filter(isNamed).map(({ match }) => match.hostname))],
    ports: ingress.rules
      .filter((rule) => !isNamed(rule))
      .map((rule) => `${rule.match.port}/${protocolOf(rule)}`),
    ingress,
  };
}

/** A document that cannot be read. */
export function unreadableEntry({
  id,
  reason,
  text,
}: Pick<UnreadableDocument, "id" | "reason" | "text">): SetAsideIngress {
  const kept = text.slice(0, MAX_TEXT);
  return {
    id,
    reason: "unreadable",
    problems: [{ code: "ingress_unreadable", message: reason }],
    ...unreadableClaims(text),
    ...(kept === "" ? {} : { text: kept }),
  };
}
