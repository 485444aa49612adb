import { get } from "../data/client.ts";
import { Store } from "../data/store.ts";
import type { Path } from "./draft.ts";

/** What of JSON Schema the API's document uses, as far as forms need it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly (string | number)[];
  readonly properties?: { readonly [key: string]: Schema };
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
}

interface OpenApi {
  readonly components: { readonly schemas: { readonly [name: string]: Schema } };
}

/** The schemas of the running API; undefined until they are there. */
export const schemas = new Store<OpenApi["components"]["schemas"] | undefined>(undefined);

let isAsked = false;

export function loadSchemas(): void {
  if (isAsked) return;
  isAsked = true;
  get<OpenApi>("/openapi.json").then(
    ({ components }) => schemas.set(components.schemas),
    () => {
      isAsked = false;
    },
  );
}

/** A schema with what it refers to in its place. */
export function resolved(schema: Schema | undefined): Schema {
  const name = schema?.$ref?.replace("#/components/schemas/", "");
  if (schema === undefined || name === undefined) return schema ?? {};
  const { $ref: _, ...own } = schema;
  return { ...resolved(schemas.value?.[name]), ...own };
}

/** The schema of a place in a document. */
export function schemaAt(root: Schema, path: Path): Schema {
  let found = resolved(root);
  for (const part of path) {
    const { items, properties, additionalProperties: others } = found;
    const next =
      typeof part === "number"
        ? items
        : (properties?.[part] ?? (typeof others === "object" ? others : undefined));
    found = resolved(next);
  }
  return found;
}

export function typeOf({ type, enum: values, properties, items }: Schema): string {
  const first = typeof type === "string" ? type : type?.find((one) => one !== "null");
  return (
    first ??
    (values !== undefined
      ? "string"
      : properties !== undefined
        ? "object"
        : items !== undefined
          ? "array"
          : "")
  );
}

/** What an ingress is written by. */
export const ingressSchema: Schema = { $ref: "#/components/schemas/CreateIngressRequest" };
