import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { Problem } from "../errors.ts";
import type { Environment } from "./read.ts";
import { settings } from "./settings.ts";

/** Settings that may be given as a file, by `<NAME>_FILE`. */
export const secretNames: readonly string[] = settings
  .filter(({ kind }) => kind === "secret")
  .map(({ name }) => name);

/** Name of the variable that names a secret's file. */
export const fileVariable = (name: string): string => `${name}_FILE`;

/** Both forms of a secret's variable. */
const formsOf = (name: string): readonly [string, string] => [name, fileVariable(name)];

/** Secrets are short; a larger file is another one than was meant. */
const LARGEST_BYTES = 64 * 1024;
/** Container engines put secrets there, readable by all who are in the container. */
const CONTAINER_SECRETS = "/run/secrets/";

export interface FiledSecrets {
  /** The environment with the secrets as if they had been given themselves. */
  readonly environment: Environment;
  /** The files that were read, by the secret's name. */
  readonly files: { readonly [name: string]: string };
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** What of the first goes before what of the second; a secret counts as given there whichever its form. */
export function mergeEnvironments(first: Environment, second: Environment): Environment {
  const given = secretNames.filter((name) => formsOf(name).some((form) => isGiven(first, form)));
  const shadowed = new Set(given.flatMap(formsOf));
  const rest = Object.entries(second).filter(([name]) => !shadowed.has(name));
  return { ...Object.fromEntries(rest), ...first };
}

/**
 * Reads the secrets that are in files: those of `<NAME>_FILE`, and systemd's credentials of a secret's name
 * (`LoadCredential=JWT_SECRET:/path`, systemd.exec(5)). Both forms at once, and files that cannot be read or are empty, are
 * problems: an empty JWT_SECRET would leave the API open.
 */
export function readSecretFiles(environment: Environment): FiledSecrets {
  const values: { [name: string]: string } = {};
  const files: { [name: string]: string } = {};
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const name of secretNames) {
    const variable = fileVariable(name);
    const given = environment[variable]?.trim() ?? "";
    const file = given === "" ? credentialOf(environment, name) : path.resolve(given);
    if (file === undefined) continue;
    if (isGiven(environment, name)) {
      // A credential that nobody names is the weaker one.
      if (given === "") continue;
      const message = `${name} and ${variable} are both given; leave one of them out`;
      problems.push({ code: "invalid_value", field: variable, message });
      continue;
    }
    const read = readSecret(file);
    if ("reason" in read) {
      const message = `${variable}: ${file} ${read.reason}`;
      problems.push({ code: "invalid_value", field: variable, message });
      continue;
    }
    files[name] = file;
    values[name] = read.value;
    if ((read.mode & 0o007) !== 0 && !file.startsWith(CONTAINER_SECRETS))
      warnings.push(`${variable}: every user of this machine may read ${file}; chmod o= ${file}`);
  }
  return { environment: { ...environment, ...values }, files, problems, warnings };
}

function isGiven(environment: Environment, name: string): boolean {
  return (environment[name]?.trim() ?? "") !== "";
}

function credentialOf(environment: Environment, name: string): string | undefined {
  const folder = environment["CREDENTIALS_DIRECTORY"] ?? "";
  if (!path.isAbsolute(folder)) return undefined;
  const file = path.join(folder, name);
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? file : undefined;
}

type Read = { readonly value: string; readonly mode: number } | { readonly reason: string };

function readSecret(file: string): Read {
  try {
    const found = statSync(file);
    if (!found.isFile()) return { reason: "is no file; name the file that holds the secret alone" };
    if (found.size > LARGEST_BYTES)
      return { reason: `has ${found.size} bytes; a secret has ${LARGEST_BYTES} at the most` };
    const value = readFileSync(file, "utf8").trim();
    if (value === "") return { reason: "is empty; write the secret into it, or leave the variable out" };
    if (/[\r\n\0]/.test(value)) return { reason: "has more than one line; it must hold the secret alone" };
    return { value, mode: found.mode };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { reason: `cannot be read (${code}); check the path and who may read it` };
  }
}
