import type { Event, EventReference } from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import { badParameter } from "./query.ts";

const types: readonly string[] = document.components.schemas.EventType.enum;
const families: ReadonlySet<string> = new Set(types.map((type) => type.slice(0, type.indexOf("."))));

/**
 * Which events a query selects: `type` (types, or families such as `ingress`, separated by commas), `ingress` and `instance`
 * (an id or a name). Throws `Bad Request` for types that do not exist.
 */
export function eventFilter(query: URLSearchParams): (event: Event) => boolean {
  const wanted = typesOf(query.get("type"));
  const ingress = query.get("ingress");
  const instance = query.get("instance");
  return (event) =>
    (wanted === undefined || wanted.has(event.type) || wanted.has(event.type.split(".", 1)[0] ?? "")) &&
    (ingress === null || isNamed(event.ingress, ingress) || concerns(event, ingress)) &&
    (instance === null || isNamed(event.instance, instance));
}

function typesOf(text: string | null): ReadonlySet<string> | undefined {
  if (text === null) return undefined;
  const wanted = new Set(text.split(",").map((one) => one.trim()));
  for (const one of wanted) {
    if (types.includes(one) || families.has(one)) continue;
    throw badParameter(
      "type",
      `${JSON.stringify(one.slice(0, 100))} is none of ${[...families, ...types].join(", ")}`,
    );
  }
  return wanted;
}

function isNamed(reference: EventReference | undefined, name: string): boolean {
  return reference !== undefined && (reference.id === name || reference.name === name);
}

/** An event about a target names the rules that it is of: `<ingress id>/<rule>`. */
function concerns({ data }: Event, ingressId: string): boolean {
  const rules = data?.["rules"];
  return Array.isArray(rules) && rules.some((rule) => String(rule).startsWith(`${ingressId}/`));
}
