import { Ajv } from "ajv";
import type { Problem } from "../errors.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { formats, kinds, type Raw } from "./kinds.ts";
import { type Setting, settings } from "./settings.ts";

/** Environment variables by name. */
export interface Environment {
  readonly [name: string]: string | undefined;
}

/** The settings' values, by kind. Each method throws a TypeError for a setting of another kind: a mistake in the code. */
export interface Values {
  /** Undefined where the variable and its default are empty. */
  text(name: string): string | undefined;
  /** Whether there is a value, its default included. */
  has(name: string): boolean;
  /** A port, a count or a share. */
  number(name: string): number;
  flag(name: string): boolean;
  list(name: string): readonly string[];
  duration(name: string): Duration | undefined;
}

/** Reads and checks every setting. A wrong one has its default's value, so that the others can be looked at together. */
export function readSettings(environment: Environment): {
  readonly values: Values;
  readonly problems: readonly Problem[];
} {
  const given: { [name: string]: Raw } = {};
  for (const setting of settings) {
    const text = environment[setting.name]?.trim() || setting.default;
    if (text !== "") given[setting.name] = kinds[setting.kind].read(text);
  }
  const problems = check(given, environment);
  for (const { field } of problems) {
    const setting = settings.find(({ name }) => name === field);
    if (setting === undefined) continue;
    delete given[setting.name];
    if (setting.default !== "") given[setting.name] = kinds[setting.kind].read(setting.default);
  }
  return { values: valuesOf(given), problems };
}

function check(given: { readonly [name: string]: Raw }, environment: Environment): readonly Problem[] {
  // Ours needs no check against the metaschema, which would cost every start 50 ms.
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    formats: { ...formats },
    validateSchema: false,
    meta: false,
  });
  const properties = Object.fromEntries(settings.map((setting) => [setting.name, schemaOf(setting)]));
  const validate = ajv.compile({ type: "object", properties });
  if (validate(given)) return [];
  const named = (validate.errors ?? []).map((error) => error.instancePath.split("/")[1]);
  const wrong = new Set(named);
  return settings
    .filter((setting) => wrong.has(setting.name))
    .map((setting) => ({
      code: "invalid_value",
      field: setting.name,
      message: `${setting.name}${shown(setting, environment)} must be ${takes(setting)}`,
    }));
}

function schemaOf(setting: Setting): object {
  const { schema } = kinds[setting.kind];
  return setting.choices === undefined ? schema : { ...schema, enum: setting.choices };
}

/** What a setting takes, as a sentence's end. */
export function takes(setting: Setting): string {
  return setting.choices === undefined
    ? kinds[setting.kind].takes
    : setting.choices.join(", ").replace(/, (?=[^,]*$)/, " or ");
}

/** The value as given, never a secret one. */
function shown(setting: Setting, environment: Environment): string {
  if (setting.kind === "secret") return "";
  const value = JSON.stringify(environment[setting.name] ?? "");
  return `=${value.length > 80 ? `${value.slice(0, 80)}…` : value}`;
}

function valuesOf(given: { readonly [name: string]: Raw }): Values {
  const take = <T extends Raw>(name: string, fits: (value: Raw) => value is T): T | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    if (fits(value)) return value;
    throw new TypeError(`setting ${name} is of another kind`);
  };
  const text = (name: string) => take(name, (value) => typeof value === "string");
  return {
    text,
    has: (name) => given[name] !== undefined,
    number: (name) => take(name, (value) => typeof value === "number") ?? 0,
    flag: (name) => take(name, (value) => typeof value === "boolean") ?? false,
    list: (name) => take(name, (value): value is readonly string[] => Array.isArray(value)) ?? [],
    duration: (name) => parseDuration(text(name) ?? ""),
  };
}
