import { join } from "node:path";
import { expect } from "vitest";
import { type Config, loadConfig } from "../../src/config.ts";
import { isGatewrightError } from "../../src/errors.ts";

/** Settings by name. */
export type Variables = { readonly [name: string]: string };

/** Reads the settings of root, without an .env file. */
export function load(
  environment: Variables,
  { envFile = join(import.meta.dirname, "no-such-file.env"), isRoot = true } = {},
): Config {
  return loadConfig(environment, { envFile, isRoot });
}

/** Field and message of every problem. */
export function problemsOf(environment: Variables): readonly (readonly [string | undefined, string])[] {
  try {
    load(environment);
  } catch (error) {
    if (!isGatewrightError(error, "config_invalid")) throw error;
    for (const problem of error.details) expect(error.message).toContain(problem.message);
    return error.details.map(({ field, message }) => [field, message]);
  }
  return [];
}
