import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import document from "../../src/model/openapi.json" with { type: "json" };
import type { HttpReply } from "../support/http-call.ts";

/** One operation of openapi.json. */
export interface DocumentedOperation {
  readonly method: string;
  /** `/ingresses/{id}` */
  readonly path: string;
  /** Scopes a token needs; none: public. */
  readonly scopes: readonly string[];
  /** The schema of the body that it takes, if any. */
  readonly bodySchema?: string;
  /** Names of its parameters in the query. */
  readonly queryKeys: readonly string[];
}

interface Parameter {
  readonly name: string;
  readonly in: string;
}

interface Reference {
  readonly $ref: string;
}

interface DocumentedResponse {
  readonly content?: { readonly [type: string]: { readonly schema: object } };
}

interface Operation {
  readonly security: readonly { readonly bearerAuth?: readonly string[] }[];
  readonly parameters?: readonly Reference[];
  readonly requestBody?: { readonly content: { readonly [type: string]: { readonly schema: Reference } } };
  readonly responses: { readonly [status: string]: DocumentedResponse | Reference };
}

const paths = document.paths as unknown as {
  readonly [path: string]: { readonly [method: string]: Operation };
};
const shared = document.components.responses as unknown as { readonly [name: string]: DocumentedResponse };

const parameters = document.components.parameters as { readonly [name: string]: Parameter };

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
ajvFormats.default(ajv, ["date-time"]);
ajv.addKeyword("components");
// Names for generated clients.
ajv.addKeyword("x-enum-varnames");
ajv.addSchema({ components: document.components }, "openapi.json");
const compiled = new Map<object, ValidateFunction>();

/** Every operation of the document. */
export function documentedOperations(): readonly DocumentedOperation[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const body = Object.values(operation.requestBody?.content ?? {})[0]
        ?.schema.$ref?.split("/")
        .at(-1);
      return {
        method: method.toUpperCase(),
        path,
        scopes: operation.security.flatMap((requirement) => requirement.bearerAuth ?? []),
        queryKeys: (operation.parameters ?? [])
          .map(({ $ref }) => parameters[$ref.split("/").at(-1) ?? ""])
          .flatMap((parameter) => (parameter?.in === "query" ? [parameter.name] : [])),
        ...(body === undefined ? {} : { bodySchema: body }),
      };
    }),
  );
}

/**
 * What an answer has against the document: a status that the operation does not list, a body that does not fit its
 * schema, another Content-Type. Undefined when it fits. Unknown paths and methods are not documented.
 */
export function undocumented(method: string, target: string, reply: HttpReply): string | undefined {
  if (reply.status === 405 || reply.headers["content-type"]?.startsWith("text/plain") === true)
    return undefined;
  const path = (target.split("?")[0] ?? "").replace(
    /^\/(ingresses|instances|certificates|tokens)\/[^/]+$/,
    "/$1/{id}",
  );
  const operation = paths[path]?.[method === "HEAD" ? "get" : method.toLowerCase()];
  const listed = operation?.responses[String(reply.status)];
  if (listed === undefined) return `${method} ${path}: ${reply.status} is not in the document`;
  const response = "$ref" in listed ? shared[listed.$ref.split("/").at(-1) ?? ""] : listed;
  const [type, media] = Object.entries(response?.content ?? {})[0] ?? [];
  if (media === undefined || method === "HEAD")
    return reply.text === "" ? undefined : "a body where none is documented";
  if (reply.headers["content-type"]?.split(";")[0] !== type)
    return `Content-Type is ${reply.headers["content-type"]}`;
  if (type !== "application/json") return undefined;
  const validate = compiled.get(media.schema) ?? ajv.compile(absolute(media.schema));
  compiled.set(media.schema, validate);
  return validate(reply.json())
    ? undefined
    : `${method} ${path} ${reply.status}: ${ajv.errorsText(validate.errors)}`;
}

function absolute(schema: object): object {
  return JSON.parse(
    JSON.stringify(schema).replaceAll('"#/components/', '"openapi.json#/components/'),
  ) as object;
}
