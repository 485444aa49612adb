import { setImmediate } from "node:timers/promises";
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { GatewrightError, type Problem } from "../errors.ts";
import type {
  CreateIngressRequest,
  CreateSessionRequest,
  CreateTokenRequest,
  ExplainRequest,
  ExportRequest,
  ImportCertificateRequest,
  ImportOptions,
  Ingress,
  Instance,
  PatchIngressRequest,
  PlanChange,
  PutInstanceRequest,
  PutInstanceTrafficRequest,
  ReplaceIngressRequest,
  TokenLimits,
} from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import { compareErrors, describeError, escapePointer } from "./schema-problem.ts";

/** The schemas that values are checked against, with the type that a value has afterwards. */
export interface SchemaTypes {
  readonly CreateIngressRequest: CreateIngressRequest;
  readonly ReplaceIngressRequest: ReplaceIngressRequest;
  readonly PatchIngressRequest: PatchIngressRequest;
  readonly PutInstanceRequest: PutInstanceRequest;
  readonly ImportCertificateRequest: ImportCertificateRequest;
  readonly PutInstanceTrafficRequest: PutInstanceTrafficRequest;
  readonly ExplainRequest: ExplainRequest;
  readonly PlanChange: PlanChange;
  readonly ExportRequest: ExportRequest;
  readonly ImportOptions: ImportOptions;
  readonly CreateTokenRequest: CreateTokenRequest;
  readonly CreateSessionRequest: CreateSessionRequest;
  readonly TokenLimits: TokenLimits;
  readonly Ingress: Ingress;
  readonly Instance: Instance;
}

/** Name of a schema in the components of openapi.json. */
export type SchemaName = keyof SchemaTypes;

/** More problems than this are counted, not listed: an answer stays readable and bounded. */
const MAX_PROBLEMS = 200;
/** Of more errors than this only so many, in the schema's order, are looked at for the first problem in hypeman's order. */
const MAX_SORTED = 1000;
/** The errors of so many rules are looked for first, then of more until there are `MAX_PROBLEMS`. */
const FEW_RULES = 32;
/** The largest array of the document: anything larger is refused before its members are looked at. */
const maxMembers = document.components.schemas.CreateIngressRequest.properties.rules.maxItems;

/**
 * Checks a request body against a schema of openapi.json.
 * Throws `Bad Request` with hypeman's message for the first failure and every problem in `details`.
 */
export function parseBody<Name extends SchemaName>(name: Name, value: unknown): SchemaTypes[Name] {
  const { problems, first } = check(name, value);
  if (first === undefined) return value as SchemaTypes[Name];
  const message = `request body has an error: doesn't match schema #/components/schemas/${name}: ${first}`;
  throw new GatewrightError("Bad Request", message, { details: problems });
}

interface Findings {
  readonly problems: readonly Problem[];
  /** The first failure in the words of hypeman's validator, with its path. */
  readonly first?: string;
}

function check(name: SchemaName, value: unknown): Findings {
  const oversized = findOversized(value, "");
  if (oversized !== undefined) {
    const { problem, summary } = describeError(oversized);
    return { problems: [problem], first: summary };
  }
  if (validator(name, "first")(value)) return { problems: [] };
  const { errors, isWhole } = errorsOf(validator(name, "all"), value);
  const described = errors.slice(0, MAX_SORTED).sort(compareErrors).slice(0, MAX_PROBLEMS).map(describeError);
  const problems = described.map(({ problem }) => problem);
  if (errors.length > MAX_PROBLEMS) {
    const rest = `${isWhole ? "" : "at least "}${errors.length - MAX_PROBLEMS}`;
    problems.push({ code: "Bad Request", message: `${rest} more problems are not listed: mend these first` });
  }
  const first = described[0];
  if (first === undefined) throw new Error(`${name}: refused without a reason`);
  return { problems, first: first.summary };
}

/**
 * The errors of a value, until there are enough of them. ajv has no bound, and copies all errors found so far at each
 * `$ref`: 5,000 rules with 26 unknown keys each would take it seconds.
 */
function errorsOf(
  validate: ValidateFunction,
  value: unknown,
): { readonly errors: readonly ErrorObject[]; readonly isWhole: boolean } {
  const rules = (value as { readonly rules?: unknown } | null)?.rules;
  const total = Array.isArray(rules) ? rules.length : 0;
  for (let number = FEW_RULES; ; number *= 4) {
    const isWhole = number >= total;
    validate(isWhole ? value : { ...(value as object), rules: (rules as unknown[]).slice(0, number) });
    // A failing key of a map is reported twice: by its own rule and as `propertyNames`; so is a failing `else`.
    const errors = (validate.errors ?? []).filter(
      ({ keyword }) => keyword !== "propertyNames" && keyword !== "if",
    );
    if (isWhole || errors.length > MAX_PROBLEMS) return { errors, isWhole };
  }
}

/** The first array or object with more members than any may have, as ajv would report it. */
function findOversized(value: unknown, path: string): ErrorObject | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const isArray = Array.isArray(value);
  const keys = isArray ? value.keys() : Object.keys(value);
  if ((isArray ? value.length : (keys as string[]).length) > maxMembers) {
    const keyword = isArray ? "maxItems" : "maxProperties";
    return { keyword, instancePath: path, schemaPath: "", params: { limit: maxMembers } };
  }
  for (const key of keys) {
    const member = (value as { readonly [key: string | number]: unknown })[key];
    if (typeof member !== "object" || member === null) continue;
    const found = findOversized(member, `${path}/${isArray ? key : escapePointer(String(key))}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `first`: stops at the first error, as most values have none. */
type Extent = "first" | "all";

/** Compiled at first use: a start needs few of the schemas, and each costs milliseconds. */
const compiled = {
  first: new Map<SchemaName, ValidateFunction>(),
  all: new Map<SchemaName, ValidateFunction>(),
};
const ajvs = new Map<Extent, Ajv2020>();

function validator(name: SchemaName, extent: Extent): ValidateFunction {
  const known = compiled[extent].get(name);
  if (known !== undefined) return known;
  const created = ajvOf(extent).compile({ $ref: addressOf(name) });
  compiled[extent].set(name, created);
  return created;
}

/**
 * Compiles a schema before the first value is checked against it, piece by piece: what else waits for the process has its
 * turn between them. Compiled at once it would hold up DNS answers for some hundredths of a second.
 */
export async function prepareSchema(name: SchemaName): Promise<void> {
  for (const extent of ["first", "all"] as const) {
    if (compiled[extent].has(name)) continue;
    for (const part of partsOf(name)) {
      ajvOf(extent).getSchema(addressOf(part));
      await setImmediate();
    }
    validator(name, extent);
    await setImmediate();
  }
}

/** The schemas that a schema refers to and that are functions of their own, in an order in which each needs earlier ones only. */
function partsOf(name: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const references = referencesIn(
    (document.components.schemas as { readonly [name: string]: unknown })[name],
  );
  // What refers to nothing is written into those that refer to it.
  return references.length === 0 ? [] : [...references.flatMap((part) => partsOf(part, seen)), name];
}

function referencesIn(schema: unknown): readonly string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === "$ref" && typeof value === "string"
      ? value.slice(value.lastIndexOf("/") + 1)
      : referencesIn(value),
  );
}

function addressOf(name: string): string {
  return `openapi.json#/components/schemas/${name}`;
}

function ajvOf(extent: Extent): Ajv2020 {
  const known = ajvs.get(extent);
  if (known !== undefined) return known;
  const created = createAjv(extent);
  ajvs.set(extent, created);
  return created;
}

function createAjv(extent: Extent): Ajv2020 {
  const created = new Ajv2020({
    strict: true,
    // `["string", "null"]` is how OpenAPI 3.1 says nullable.
    allowUnionTypes: true,
    allErrors: extent === "all",
    // Descriptions are the remedies.
    verbose: extent === "all",
    // The words are ours.
    messages: false,
    // Of the time of compiling a third, and checking becomes no faster by it.
    code: { optimize: false },
    // A test holds the document to its metaschema; here it would cost every start 25 ms.
    validateSchema: false,
    meta: false,
  });
  ajvFormats.default(created, ["date-time"]);
  // Strict mode knows the keywords of JSON Schema only; this one is OpenAPI's.
  created.addKeyword("components");
  created.addSchema({ components: document.components }, "openapi.json");
  return created;
}
