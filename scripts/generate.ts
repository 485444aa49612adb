/**
 * Brings the list of error codes in src/model/openapi.json in line with src/errors.ts, then writes
 * src/model/api.ts, the TypeScript types of the API, from it.
 * `--check` writes nothing and exits 1 when either file is stale.
 */
import { readFile, writeFile } from "node:fs/promises";
import { compile, type JSONSchema } from "json-schema-to-typescript";
import { errorCatalogue } from "../src/errors.ts";

const documentFile = new URL("../src/model/openapi.json", import.meta.url);
const typesFile = new URL("../src/model/api.ts", import.meta.url);

/** Names of the codes where they are no names of a language: two differ in case only, which generators make one of. */
const codeNames: { readonly [code: string]: string } = { "Bad Request": "MALFORMED_REQUEST" };

/** The document's text with the error codes of src/errors.ts in its `ErrorCode` schema, laid out as biome does. */
export function withErrorCodes(openapi: string): string {
  const codes = Object.keys(errorCatalogue);
  const names = codes.map((code) => codeNames[code] ?? code.toUpperCase());
  const list = (items: readonly string[]): string =>
    `[\n${items.map((item) => `          ${JSON.stringify(item)}`).join(",\n")}\n        ]`;
  return openapi.replace(
    /("ErrorCode": \{\s*"type": "string",\s*"enum": )\[[^\]]*\](,\s*"x-enum-varnames": )\[[^\]]*\]/,
    (_all, before: string, between: string) => before + list(codes) + between + list(names),
  );
}

/** Renders readonly types of every schema in the document's components. */
export async function generateTypes(openapi: string): Promise<string> {
  const document = JSON.parse(openapi.replaceAll("#/components/schemas/", "#/definitions/")) as {
    components: { schemas: { [name: string]: JSONSchema } };
  };
  const schemas = document.components.schemas;
  for (const [name, schema] of Object.entries(schemas)) schema.title = name;
  const rendered = await compile({ title: "Api", definitions: schemas }, "Api", {
    // Answers may gain keys; the types name those that can be relied on.
    additionalProperties: false,
    bannerComment: "// Generated from openapi.json by `npm run generate`. Do not edit.",
    unreachableDefinitions: true,
    ignoreMinAndMaxItems: true,
    format: true,
    style: { printWidth: 110 },
    customName: (schema) => schema.title,
  });
  return withoutNoise(asReadonly(rendered));
}

/** The generator has no option for readonly types: every property and array becomes readonly here. */
function asReadonly(types: string): string {
  return types
    .replace(/^( +)((?:[\w$]+|"[^"]+"|\[k: string\])\??: )/gm, "$1readonly $2")
    .replace(/([\w$]+)\[\]/g, "readonly $1[]");
}

/** The generator says of each definition that the root refers to it, repeats limits that ajv holds, and gives one line three. */
function withoutNoise(types: string): string {
  return types
    .replace(
      /(?: \*\n)? \* This interface was referenced by `Api`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g,
      "",
    )
    .replace(/(?: +\*\n)?(?: +\* @(?:min|max)Items \d+\n)+/g, "")
    .replace(/ *\/\*\*\n *\*\/\n/g, "")
    .replace(/\/\*\*\n +\* ([^\n]+)\n +\*\//g, "/** $1 */")
    .replace(/\{\n +(readonly \[k: string\]: [^\n{]+);\n +\}/g, "{ $1 }")
    .replace(/export interface Api \{[^}]*\}\n/, "");
}

if (process.argv[1] === import.meta.filename) {
  const present = await readFile(documentFile, "utf8");
  const document = withErrorCodes(present);
  const types = await generateTypes(document);
  if (!process.argv.includes("--check")) {
    if (document !== present) await writeFile(documentFile, document);
    await writeFile(typesFile, types);
  } else if (document !== present || (await readFile(typesFile, "utf8")) !== types) {
    console.error("src/model/openapi.json or src/model/api.ts is stale: run `npm run generate`");
    process.exitCode = 1;
  }
}
