import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { secretNames } from "../../src/config/secret-files.ts";
import { loadConfig } from "../../src/config.ts";
import { isGatewrightError } from "../../src/errors.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";

const folder = use(temporaryFolder);
const KEY = "0123456789abcdef0123456789abcdef";
const load = (environment: NodeJS.ProcessEnv) =>
  loadConfig(environment, { envFile: join(folder.path, ".env"), isRoot: true });

async function file(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    load(environment);
    return [];
  } catch (error) {
    if (!isGatewrightError(error, "config_invalid")) throw error;
    return error.details.map(({ field, message }) => `${field}: ${message}`);
  }
}

test("every secret can be in a file", () => {
  const variables = Object.fromEntries(secretNames.map((name) => [`${name}_FILE`, join(folder.path, "no")]));
  const problems = problemsOf(variables);
  for (const name of secretNames) expect(problems).toContainEqual(expect.stringMatching(`^${name}_FILE: `));
});

test("what stands around it is dropped, and nobody else gets it", async () => {
  const config = load({ JWT_SECRET_FILE: await file("jwt", ` ${KEY}\r\n\n`), HOME: "/root" });
  expect(config.api.secret?.reveal()).toBe(KEY);
  expect(config.secretFiles).toEqual({ JWT_SECRET: join(folder.path, "jwt") });
  expect(config.given).toEqual({ JWT_SECRET: "(secret)" });
  expect(config.toolEnvironment).toEqual({ HOME: "/root" });
  expect(config.warnings).toEqual([]);
});

test("both forms at once are refused, also where one is in .env; the environment goes before .env", async () => {
  const path = await file("both", KEY);
  expect(problemsOf({ JWT_SECRET: KEY, JWT_SECRET_FILE: path })).toEqual([
    "JWT_SECRET_FILE: JWT_SECRET and JWT_SECRET_FILE are both given; leave one of them out",
  ]);
  await file(".env", `JWT_SECRET=${"x".repeat(32)}\n`);
  expect(load({ JWT_SECRET_FILE: path }).api.secret?.reveal()).toBe(KEY);
  await file(".env", "");
});

describe("a file that cannot be used is refused, and what it holds is not told", () => {
  test.each([
    ["is missing", async () => join(folder.path, "missing"), /cannot be read \(ENOENT\)/],
    ["is empty", () => file("empty", " \n"), /is empty; write the secret into it/],
    ["has more than one line", () => file("lines", `${KEY}\n${KEY}\n`), /more than one line/],
    ["is too large", () => file("large", KEY.repeat(4_000)), /has 128000 bytes/],
    ["is a folder", async () => folder.path, /is no file/],
  ])("it %s", async (_, make, message) => {
    const problems = problemsOf({ JWT_SECRET_FILE: await make(), LISTEN_ADDRESS: "0.0.0.0" });
    // Not also that JWT_SECRET is needed.
    expect(problems).toEqual([expect.stringMatching(message)]);
    expect(problems.join()).not.toContain(KEY);
  });
});

test("one that every user may read is warned of", async () => {
  const path = await file("open", KEY, 0o644);
  expect(load({ JWT_SECRET_FILE: path }).warnings).toEqual([
    `JWT_SECRET_FILE: every user of this machine may read ${path}; chmod o= ${path}`,
  ]);
});

test("a credential of systemd is found by its name, and gives way to what is given", async () => {
  const credentials = join(folder.path, "credentials");
  await mkdir(credentials);
  await file("credentials/JWT_SECRET", KEY, 0o400);
  const environment = { CREDENTIALS_DIRECTORY: credentials };
  expect(load(environment).api.secret?.reveal()).toBe(KEY);
  const other = "y".repeat(32);
  expect(load({ ...environment, JWT_SECRET: other }).api.secret?.reveal()).toBe(other);
});

test("a name that is nearly that of a secret's file is told", () => {
  expect(load({ JWT_SECRET_FIEL: "/x" }).warnings.join()).toContain("JWT_SECRET_FIEL is not a setting");
});
