import type { Ingress, IngressRule, SetAsideIngress } from "../model/api.ts";
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
      contains(textsOf(listed, rules))
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

function* textsOf(listed: Listed, rules: readonly IngressRule[]): Generator<string | undefined> {
  yield listed.id;
  yield listed.name;
  yield* hostnamesOf(listed);
  for (const rule of rules)
    for (const { instance, service, address } of targetsOf(rule)) yield* [instance, service, address];
}
