import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Endpoint } from "./client.ts";
import { exitCodes, Failure } from "./failure.ts";

/** Gatewrights by name, and the one that is asked unless something else is said. */
export interface Contexts {
  readonly current?: string;
  readonly contexts: { readonly [name: string]: Endpoint };
}

const DEFAULT_URL = "http://127.0.0.1:8080";

/** Where contexts are kept: `$XDG_CONFIG_HOME/gatewright/contexts.json`, by default in `~/.config`. */
function contextsPath(env: NodeJS.ProcessEnv): string {
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(base, "gatewright", "contexts.json");
}

export function readContexts(env: NodeJS.ProcessEnv): Contexts {
  const path = contextsPath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { contexts: {} };
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
  try {
    const { contexts = {}, ...rest } = JSON.parse(text) as Partial<Contexts>;
    return { ...rest, contexts };
  } catch {
    throw new Failure(`${path} is no JSON: mend or remove it`, exitCodes.usage);
  }
}

/** For its owner alone: tokens stand in it. */
export function writeContexts(env: NodeJS.ProcessEnv, contexts: Contexts): void {
  const path = contextsPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** What the command line says of whom to ask. */
export interface EndpointOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly context?: string | undefined;
}

/** Options go before variables of the environment, these before the context. */
export function endpointOf(options: EndpointOptions, env: NodeJS.ProcessEnv): Endpoint {
  const { contexts, current } = readContexts(env);
  const name = options.context ?? ((options.url ?? env["GATEWRIGHT_URL"]) ? undefined : current);
  const context = name === undefined ? undefined : contexts[name];
  if (name !== undefined && context === undefined) {
    const known = Object.keys(contexts);
    const names = known.length === 0 ? "there is none yet" : `there are ${known.join(", ")}`;
    throw new Failure(
      `no context is called ${name}: ${names}; \`gatewright context set\` makes one`,
      exitCodes.usage,
    );
  }
  const url = options.url ?? context?.url ?? env["GATEWRIGHT_URL"] ?? DEFAULT_URL;
  const token = options.token ?? context?.token ?? env["GATEWRIGHT_TOKEN"];
  return { url, ...(token === undefined || token === "" ? {} : { token }) };
}
