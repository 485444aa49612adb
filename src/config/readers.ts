import path from "node:path";
import type { Duration } from "./duration.ts";
import type { Values } from "./read.ts";
import { Secret } from "./secret.ts";

/** The value of a setting that has a default. */
export function text(values: Values, name: string): string {
  return values.text(name) ?? "";
}

/** The value of a setting with these choices, the first of which stands in for a wrong one. */
export function oneOf<Choice extends string>(
  values: Values,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  return choices.find((choice) => choice === values.text(name)) ?? choices[0];
}

export function pathOf(values: Values, name: string): string | undefined {
  const value = values.text(name);
  return value === undefined ? undefined : path.resolve(value);
}

export function duration(values: Values, name: string): Duration {
  return values.duration(name) ?? { text: "0s", ms: 0 };
}

export function secret(values: Values, name: string): Secret | undefined {
  const value = values.text(name);
  return value === undefined ? undefined : new Secret(value);
}

/** The key with its value, or nothing where the value is undefined. */
export function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { [key in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [key in Key]?: Value });
}
