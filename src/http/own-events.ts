import type { Actor, Event } from "../model/api.ts";
import type { Own } from "./own.ts";

/**
 * An event as it is for a caller with limits; undefined for one that is about others. Of others who made changes it says who
 * they are, and neither from where nor why.
 */
export function ownEvent(event: Event, own: Own): Event | undefined {
  const shown = shownEvent(event, own);
  if (shown === undefined) return undefined;
  const { actor, change_message, ...rest } = shown;
  if (actor === undefined || actor.subject === own.caller.subject) return shown;
  return { ...rest, actor: { subject: actor.subject, via: actor.via } };
}

function shownEvent(event: Event, own: Own): Event | undefined {
  const { actor, certificate, data, ingress, instance, type } = event;
  // What the same token tried, and was told.
  if (type.endsWith(".refused") || type === "ingress.batch")
    return isSameToken(actor, own) ? event : undefined;
  if (ingress !== undefined) return ingress.owner === own.caller.subject ? event : undefined;
  if (instance?.name !== undefined) {
    const service = data?.["service"];
    const named = { name: instance.name, ...(typeof service === "string" ? { service } : {}) };
    return own.hasInstance(named) ? event : undefined;
  }
  if (certificate !== undefined) return ofCertificate(event, certificate.id ?? certificate.name ?? "", own);
  return type.startsWith("target.") ? ofTarget(event, own) : undefined;
}

/** An imported one may have names of others. */
function ofCertificate(event: Event, reference: string, own: Own): Event | undefined {
  if (!own.hasCertificate(reference)) return undefined;
  const names = event.data?.["names"];
  return Array.isArray(names)
    ? { ...event, data: { ...event.data, names: own.names(names as string[]) } }
    : event;
}

/** A target may be that of several rules: `<ingress id>/<rule>`. */
function ofTarget(event: Event, own: Own): Event | undefined {
  const rules = event.data?.["rules"];
  if (!Array.isArray(rules)) return undefined;
  const mine = rules.filter((rule) => own.hasIngress(String(rule).split("/")[0] ?? ""));
  return mine.length === 0 ? undefined : { ...event, data: { ...event.data, rules: mine } };
}

function isSameToken(actor: Actor | undefined, { caller }: Own): boolean {
  return (
    actor?.token_id !== undefined && actor.token_id === caller.tokenId && actor.subject === caller.subject
  );
}
