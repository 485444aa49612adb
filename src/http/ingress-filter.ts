import type { Ingress, IngressRule, IngressTarget, SetAsideIngress } from "../model/api.ts";
import { hostnameShape, isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { targetsOf } from "../model/target.ts";
import { badParameter, containsFilter, matchesTags, tagFilter } from "./query.ts";

/** An entry of a list: an ingress that is served, or one that is set aside. */
export type Listed = Ingress | SetAsideIngress;

/**
 * What a list's query selects: `name` (exactly), `hostname` (in any spelling; captures of any name are alike), `instance`
 * (exactly, as a target), `q` (part of an id, name, hostname or target, without case), `tags[key]`, and what follows the
 * id in `cursor`. Throws `Bad Request` for values that nothing can have.
 */
export function ingressFilter(query: URLSearchParams): (listed: Listed) => boolean {
  const tags = tagFilter(query);
  const shape = shapeOf(query.get("hostname"));
  const [name, instance, after] = [query.get("name"), query.get("instance"), query.get("cursor") ?? ""];
  const contains = containsFilter(query);
  return (listed) => {
    const ingress = "reason" in listed ? listed.ingress : listed;
    const rules = ingress?.rules ?? [];
    return (
      listed.id > after &&
      (name === null || listed.name === name) &&
      (shape === undefined || hostnamesOf(listed).some((hostname) => hostnameShape(hostname) === shape)) &&
      (instance === null ||
        rules.some((rule) => targetsOf(rule).some((target) => target.instance === instance))) &&
      matchesTags(ingress?.tags, tags) &&
      (contains === undefined || hasText(listed, rules, contains))
    );
  };
}

/** The form by which a hostname in a query is compared. Throws `Bad Request`. */
export function shapeOf(text: string | null): string | undefined {
  if (text === null) return undefined;
  const hostname = parseHostname(text);
  if (isHostnameProblem(hostname)) throw badParameter("hostname", hostname.problem);
  return hostname.shape;
}

function hostnamesOf(listed: Listed): readonly string[] {
  return "reason" in listed ? listed.hostnames : listed.rules.map((rule) => rule.match.hostname);
}

/** No list is made of the texts: a search looks at those of 100,000 ingresses. */
function hasText(
  listed: Listed,
  rules: readonly IngressRule[],
  contains: (text: string | undefined) => boolean,
): boolean {
  if (contains(listed.name) || contains(listed.id)) return true;
  if ("reason" in listed && listed.hostnames.some(contains)) return true;
  for (const rule of rules) {
    if (contains(rule.match.hostname)) return true;
    if (rule.target !== undefined && leadsTo(rule.target, contains)) return true;
    if (rule.targets?.some((target) => leadsTo(target, contains)) === true) return true;
  }
  return false;
}

function leadsTo(
  { address, instance, service }: IngressTarget,
  contains: (text: string | undefined) => boolean,
): boolean {
  return contains(instance) || contains(service) || contains(address);
}
