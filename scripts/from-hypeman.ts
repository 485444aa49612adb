/**
 * Prints the settings of a YAML file of hypeman's as lines of a `.env` file:
 * `npm run --silent from-hypeman -- /etc/hypeman/config.yaml > .env`. Keys that are hypeman's own are named in comments.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { hypemanKeys } from "../src/config/hypeman-names.ts";

/** The lines of a `.env` file for the text of a YAML file. Throws what the YAML parser throws. */
export function settingsOf(yaml: string): string {
  const settings: string[] = [];
  const others: string[] = [];
  for (const [key, value] of leaves(parse(yaml), "")) {
    const setting = hypemanKeys.get(key);
    if (setting === undefined) others.push(`# ${key} has no meaning for Gatewright`);
    else if (value !== "") settings.push(`${setting}=${quoted(value)}`);
  }
  return [...settings, ...others, ""].join("\n");
}

/** Every value with its dotted key; lists as hypeman's variables have them, separated by commas. */
function* leaves(value: unknown, path: string): Generator<readonly [key: string, value: string]> {
  if (Array.isArray(value)) yield [path, value.join(",")];
  else if (typeof value !== "object") yield [path, String(value)];
  else
    for (const [key, member] of Object.entries(value ?? {}))
      yield* leaves(member, path === "" ? key : `${path}.${key}`);
}

/** In quotes where dotenv would take a part of the value for something else. */
function quoted(value: string): string {
  if (/^[\w.:/,@*+=-]*$/.test(value)) return value;
  const quote = ["'", '"', "`"].find((one) => !value.includes(one));
  if (quote === undefined)
    throw new Error("a value has every kind of quotes, which .env cannot hold; set it in the environment");
  return `${quote}${value}${quote}`;
}

if (process.argv[1] === import.meta.filename) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    process.stderr.write("usage: npm run --silent from-hypeman -- /etc/hypeman/config.yaml > .env\n");
    process.exitCode = 2;
  } else process.stdout.write(settingsOf(readFileSync(file, "utf8")));
}
