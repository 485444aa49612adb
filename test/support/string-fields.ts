import document from "../../src/model/openapi.json" with { type: "json" };

/** The part of JSON Schema that openapi.json uses. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A place in a request body where a text of the caller's stands. */
export interface StringField {
  /** For people: `rules[0].match.path.value`, with `<key>` where the text is a key. */
  readonly field: string;
  /** How `details` may name the place of this text: by itself, or by the object around it. */
  readonly namedAs: (text: string) => readonly string[];
  /** The body with the text at this place; objects on the way there get what they require. */
  readonly body: (base: Json, text: string) => Json;
}

/** An operation of openapi.json that takes a body. */
export interface BodyOperation {
  readonly method: string;
  readonly path: string;
  readonly mediaType: string;
  /** The least body that the schema takes. */
  readonly least: Json;
  readonly fields: readonly StringField[];
}

/** Every operation with a body, and every string field of each. Recursion ends where a schema repeats. */
export function bodyOperations(): readonly BodyOperation[] {
  const found: BodyOperation[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const content = (operation as { requestBody?: { content: { [type: string]: { schema: Schema } } } })
        .requestBody?.content;
      if (content === undefined) continue;
      for (const [mediaType, { schema }] of Object.entries(content))
        found.push({
          method: method.toUpperCase(),
          path,
          mediaType,
          least: sampleOf(schema, ""),
          fields: [...walk(schema, [], [])],
        });
    }
  }
  return found;
}

/** One step into a body; `key` steps to a member whose name is the text itself. */
type Step =
  | { readonly name: string | number; readonly schema: Schema }
  | { readonly key: true; readonly schema: Schema };

function* walk(schema: Schema, steps: readonly Step[], seen: readonly string[]): Generator<StringField> {
  const { $ref } = schema;
  if ($ref !== undefined) {
    if (!seen.includes($ref)) yield* walk(resolve($ref), steps, [...seen, $ref]);
    return;
  }
  for (const branch of [...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])])
    yield* walk(branch, steps, seen);
  const types = [schema.type ?? []].flat();
  if (types.includes("string") && schema.enum === undefined && schema.const === undefined)
    yield fieldAt(steps);
  for (const [name, member] of Object.entries(schema.properties ?? {}))
    yield* walk(member, [...steps, { name, schema: member }], seen);
  if (typeof schema.additionalProperties === "object") {
    const member = schema.additionalProperties;
    yield* walk(member, [...steps, { name: "X-Name", schema: member }], seen);
    yield fieldAt([...steps, { key: true, schema: member }]);
  }
  if (schema.items !== undefined)
    yield* walk(schema.items, [...steps, { name: 0, schema: schema.items }], seen);
}

function fieldAt(steps: readonly Step[]): StringField {
  const names = (key: string) => steps.map((step) => ("key" in step ? key : step.name));
  return {
    field: fieldName(names("<key>")),
    namedAs: (text) => [fieldName(names(text)), fieldName(names(text).slice(0, -1))],
    body: (base, text) => place(base, steps, text),
  };
}

/** Names that are no identifiers stand in brackets and quotes, as in `details`. */
function fieldName(names: readonly (string | number)[]): string {
  const parts = names.map((name) => {
    if (typeof name === "number") return `[${name}]`;
    return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  });
  return parts.join("").replace(/^\./, "");
}

function place(base: Json, steps: readonly Step[], text: string): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return text;
  if ("key" in step) return { ...(base as object), [text]: sampleOf(step.schema, "") };
  const { name, schema } = step;
  if (typeof name === "number") {
    const items = Array.isArray(base) ? [...base] : [];
    items[name] = place(items[name] ?? sampleOf(schema, ""), rest, text);
    return items;
  }
  const members = base as { readonly [key: string]: Json };
  // Absent or null: the least that the schema takes.
  return { ...members, [name]: place(members[name] ?? sampleOf(schema, name), rest, text) };
}

/** Values for fields whose meaning the schema does not tell. */
const samples: { readonly [name: string]: string } = {
  hostname: "sample.example.com",
  instance: "web-1",
  url: "http://192.0.2.9/",
  value: "/sample",
  name: "sample",
};

/** The least value that a schema takes. */
function sampleOf(schema: Schema, name: string): Json {
  if (schema.$ref !== undefined) return sampleOf(resolve(schema.$ref), name);
  const given = schema.const ?? schema.enum?.[0] ?? schema.default ?? schema.examples?.[0];
  if (given !== undefined && given !== null) return given as Json;
  const [branch] = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  if (schema.type === undefined && branch !== undefined) return sampleOf(branch, name);
  const type = [schema.type ?? "object"].flat()[0];
  if (type === "array") return schema.items === undefined ? [] : [sampleOf(schema.items, name)];
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return true;
  if (type === "string") return (samples[name] ?? "x").padEnd(schema.minLength ?? 1, "x");
  const members = (schema.required ?? []).map(
    (key) => [key, sampleOf(schema.properties?.[key] ?? {}, key)] as const,
  );
  return Object.fromEntries(members);
}

function resolve(reference: string): Schema {
  const name = reference.replace("#/components/schemas/", "");
  const schema = (document.components.schemas as { readonly [name: string]: unknown })[name];
  if (schema === undefined) throw new Error(`openapi.json has no ${reference}`);
  return schema as Schema;
}
