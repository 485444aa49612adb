import type { ErrorObject } from "ajv";
import type { ErrorCode, Problem } from "../errors.ts";
import { nearest } from "../util/nearest.ts";

/** One failure of a schema: as a problem of ours, and in the words of hypeman's validator with its path. */
export interface DescribedError {
  readonly problem: Problem;
  /** `Error at "/rules/0/match/port": value must be an integer` */
  readonly summary: string;
}

/** Puts an ajv error into words. Values are never repeated: they may be secrets. */
export function describeError(error: ErrorObject): DescribedError {
  const path = pathOf(error);
  const { code, reason, remedy } = explain(error);
  const where = path.length === 0 ? "" : `Error at "/${path.map(shorten).join("/")}": `;
  const field = fieldOf(path);
  return {
    problem: { code, message: `${reason}: ${remedy}`, ...(field === "" ? {} : { field }) },
    // Beyond hypeman: it accepts unknown keys, so there are no words of its own to keep.
    summary: `${where}${reason}${code === "unknown_key" ? ` (${remedy})` : ""}`,
  };
}

/**
 * Sorts ajv errors as hypeman's validator (kin-openapi) finds them: depth first, keys in alphabetical order,
 * a container's own limits before its members, missing keys after them.
 */
export function compareErrors(a: ErrorObject, b: ErrorObject): number {
  const pathA = pathOf(a);
  const pathB = pathOf(b);
  const shared = Math.min(pathA.length, pathB.length);
  for (let depth = 0; depth < shared; depth++) {
    const phase = Number(isMissing(a, depth, pathA)) - Number(isMissing(b, depth, pathB));
    if (phase !== 0) return phase;
    const order = compareKeys(pathA[depth] ?? "", pathB[depth] ?? "");
    if (order !== 0) return order;
  }
  return pathA.length - pathB.length;
}

function isMissing(error: ErrorObject, depth: number, path: readonly string[]): boolean {
  return error.keyword === "required" && depth === path.length - 1;
}

function compareKeys(a: string, b: string): number {
  if (/^\d+$/.test(a) && /^\d+$/.test(b)) return Number(a) - Number(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Parameters of the ajv keywords that our schemas use. */
interface ErrorParams {
  readonly missingProperty?: string;
  readonly additionalProperty?: string;
  readonly type?: string | readonly string[];
  readonly limit?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly allowedValues?: readonly unknown[];
}

/** The path of the failure: for a missing, unknown or ill-named key the key itself, as kin-openapi has it. */
function pathOf(error: ErrorObject): readonly string[] {
  const params = error.params as ErrorParams;
  const path = error.instancePath.split("/").slice(1).map(unescapePointer);
  const key = params.missingProperty ?? params.additionalProperty ?? error.propertyName;
  return key === undefined ? path : [...path, key];
}

/** RFC 6901 section 3. */
export function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** RFC 6901 section 4. */
function unescapePointer(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** `rules[0].match.path`, and `tags["a b"]` for keys that are no identifiers. */
export function fieldOf(path: readonly string[]): string {
  let field = "";
  for (const token of path) {
    if (/^\d+$/.test(token)) field += `[${token}]`;
    else if (!/^[A-Za-z_$][\w$]*$/.test(token)) field += `[${JSON.stringify(shorten(token))}]`;
    else field += field === "" ? shorten(token) : `.${shorten(token)}`;
  }
  return field;
}

/** Keys come from the caller and may be as long as the body. */
function shorten(key: string): string {
  return key.length <= 100 ? key : `${key.slice(0, 100)}…`;
}

interface Explanation {
  readonly code: ErrorCode;
  /** What is wrong, in kin-openapi's words. */
  readonly reason: string;
  readonly remedy: string;
}

function explain(error: ErrorObject): Explanation {
  const params = error.params as ErrorParams;
  switch (error.keyword) {
    case "required":
      return {
        code: "required",
        reason: `property ${JSON.stringify(params.missingProperty)} is missing`,
        remedy: "add it",
      };
    case "additionalProperties":
      return unknownKey(error, params.additionalProperty ?? "");
    case "type":
      return wrongType(error, params.type ?? "value");
    case "pattern":
      return {
        code: "invalid_value",
        reason: `string doesn't match the regular expression "${params.pattern}"`,
        remedy: remedyOf(error, "use a value of this form"),
      };
    case "format":
      return {
        code: "invalid_value",
        reason: `string doesn't match the format ${JSON.stringify(params.format)}`,
        remedy: remedyOf(error, "use a value of this format"),
      };
    case "enum": {
      const allowed = JSON.stringify(params.allowedValues);
      return {
        code: "invalid_value",
        reason: `value is not one of the allowed values ${allowed}`,
        remedy: nearestOf(error, params.allowedValues ?? []),
      };
    }
    case "uniqueItems":
      return { code: "invalid_value", reason: "duplicate items found", remedy: "name each once" };
    default:
      return outOfRange(error, params.limit ?? 0);
  }
}

function unknownKey(error: ErrorObject, key: string): Explanation {
  const { properties = {} } = (error.parentSchema ?? {}) as {
    properties?: { [name: string]: { readOnly?: boolean } };
  };
  // What is taken and ignored is nobody's to set.
  const known = Object.keys(properties).filter((name) => properties[name]?.readOnly !== true);
  const reason = `property ${JSON.stringify(shorten(key))} is unsupported`;
  const text = shorten(key);
  // One that shares little with the key is no help (`id` for `foo`): then all are named.
  const near = nearest(text, known, Math.max(1, Math.floor(text.length / 2)));
  // `host` is `hostname` cut short, though `port` has fewer letters that differ.
  const long = text.length < 3 ? undefined : known.find((name) => name.startsWith(text));
  const meant = long ?? near;
  const others = known.length === 0 ? "remove it" : `remove it; known keys are ${known.join(", ")}`;
  const remedy = meant === undefined ? others : `the nearest known key is ${JSON.stringify(meant)}`;
  return { code: "unknown_key", reason, remedy };
}

function wrongType(error: ErrorObject, type: string | readonly string[]): Explanation {
  const types = typeof type === "string" ? [type] : type;
  const wanted = types.find((name) => name !== "null") ?? "null";
  const article = /^[aeiou]/.test(wanted) ? "an" : "a";
  const remedy = `send a JSON ${wanted}${types.includes("null") ? " or null" : ""}`;
  const reason = error.data === null ? "Value is not nullable" : `value must be ${article} ${wanted}`;
  return { code: "wrong_type", reason, remedy };
}

/** kin-openapi's words for each limit; `#` stands for the limit. */
const limits: { readonly [keyword: string]: readonly [reason: string, remedy: string] } = {
  minLength: ["minimum string length is #", "use a longer one"],
  maxLength: ["maximum string length is #", "shorten it"],
  minItems: ["minimum number of items is #", "add more"],
  maxItems: ["maximum number of items is #", "remove some"],
  minProperties: ["there must be at least # properties", "add more, or leave the whole key out"],
  maxProperties: ["there must be at most # properties", "remove some"],
  minimum: ["number must be at least #", "use a larger one"],
  maximum: ["number must be at most #", "use a smaller one"],
};

function outOfRange(error: ErrorObject, limit: number): Explanation {
  const [reason, remedy] = limits[error.keyword] ?? [error.message ?? "value is not valid", "see /docs"];
  return { code: "out_of_range", reason: reason.replace("#", String(limit)), remedy };
}

/** The schema's description tells what is allowed; without one, `otherwise`. */
function remedyOf(error: ErrorObject, otherwise: string): string {
  const description = (error.parentSchema as { description?: string } | undefined)?.description;
  if (description === undefined) return otherwise;
  const start = /^[A-Z][a-z]/.test(description) ? description.charAt(0).toLowerCase() : description.charAt(0);
  return start + description.slice(1).replace(/\.$/, "");
}

/** A word that is nearly one of those allowed is taken for a slip; the value itself is never repeated. */
function nearestOf({ data }: ErrorObject, allowed: readonly unknown[]): string {
  const words = allowed.filter((one) => typeof one === "string");
  const meant = typeof data === "string" ? nearest(data.slice(0, 100), words, 2) : undefined;
  return meant === undefined ? "use one of them" : `use one of them; the nearest is ${JSON.stringify(meant)}`;
}
