import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { GatewrightError, type Problem } from "../errors.ts";
import type {
  CreateIngressRequest,
  ImportCertificateRequest,
  Ingress,
  Instance,
  PatchIngressRequest,
  PutInstanceRequest,
  PutInstanceTrafficRequest,
  ReplaceIngressRequest,
} from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import { compareErrors, describeError } from "./schema-problem.ts";

/** The schemas that values are checked against, with the type that a value has afterwards. */
export interface SchemaTypes {
  readonly CreateIngressRequest: CreateIngressRequest;
  readonly ReplaceIngressRequest: ReplaceIngressRequest;
  readonly PatchIngressRequest: PatchIngressRequest;
  readonly PutInstanceRequest: PutInstanceRequest;
  readonly ImportCertificateRequest: ImportCertificateRequest;
  readonly PutInstanceTrafficRequest: PutInstanceTrafficRequest;
  readonly Ingress: Ingress;
  readonly Instance: Instance;
}

/** Name of a schema in the components of openapi.json. */
export type SchemaName = keyof SchemaTypes;

/** More problems than this are counted, not listed: an answer stays readable and bounded. */
const maxProblems = 200;

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

/** Every problem of a value against a schema of openapi.json, in hypeman's order; [] when it fits. */
export function schemaProblems(name: SchemaName, value: unknown): readonly Problem[] {
  return check(name, value).problems;
}

/** Whether a value fits a schema of openapi.json. */
export function fitsSchema<Name extends SchemaName>(name: Name, value: unknown): value is SchemaTypes[Name] {
  return validator(name)(value);
}

interface Findings {
  readonly problems: readonly Problem[];
  /** The first failure in the words of hypeman's validator, with its path. */
  readonly first?: string;
}

function check(name: SchemaName, value: unknown): Findings {
  const validate = validator(name);
  if (validate(value)) return { problems: [] };
  // A failing key of a map is reported twice: by its own rule and as `propertyNames`; so is a failing `else`.
  const errors = (validate.errors ?? [])
    .filter(({ keyword }) => keyword !== "propertyNames" && keyword !== "if")
    .sort(compareErrors);
  const described = errors.slice(0, maxProblems).map(describeError);
  const problems = described.map(({ problem }) => problem);
  if (errors.length > maxProblems) {
    const rest = errors.length - maxProblems;
    problems.push({ code: "Bad Request", message: `${rest} more problems are not listed: mend these first` });
  }
  const first = described[0];
  if (first === undefined) throw new Error(`${name}: refused without a reason`);
  return { problems, first: first.summary };
}

/** Compiled at first use: a start needs few of the schemas, and each costs milliseconds. */
const compiled = new Map<SchemaName, ValidateFunction>();
let ajv: Ajv2020 | undefined;

function validator(name: SchemaName): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  ajv ??= createAjv();
  const created = ajv.compile({ $ref: `openapi.json#/components/schemas/${name}` });
  compiled.set(name, created);
  return created;
}

function createAjv(): Ajv2020 {
  const created = new Ajv2020({
    strict: true,
    // `["string", "null"]` is how OpenAPI 3.1 says nullable.
    allowUnionTypes: true,
    // Bounded by the body limit; without it only the first problem would be known.
    allErrors: true,
    // Descriptions are the remedies.
    verbose: true,
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
