import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { npmTools } from "./foreign-tools.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

/** A registry of npm on loopback, empty at first; whoever reaches it may publish. It knows no other registry. */
export interface LocalRegistry extends AsyncDisposable {
  readonly url: string;
  /** Variables by which npm uses it and nothing else. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Starts verdaccio in a folder; undefined where it cannot be installed. */
export async function startVerdaccio(folder: string): Promise<LocalRegistry | undefined> {
  // A tag that node-fetch has on npm's own registry and not on every mirror.
  const modules = await npmTools(["verdaccio@6.10.4"], { "node-fetch": "2.7.0" });
  if (modules === undefined) return undefined;
  const port = await freePort();
  const config = {
    storage: join(folder, "storage"),
    max_body_size: "200mb",
    packages: { "**": { access: "$all", publish: "$all" } },
    log: { type: "stdout", level: "warn" },
  };
  const file = join(folder, "config.json");
  await writeFile(file, JSON.stringify(config));
  const program = join(modules, "verdaccio/bin/verdaccio");
  const child = spawn(process.execPath, [program, "--config", file, "--listen", `127.0.0.1:${port}`], {
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const url = `http://127.0.0.1:${port}/`;
  await until(async () => (await fetch(`${url}-/ping`)).ok);
  return {
    url,
    // npm publishes for nobody who has no token; here any will do.
    environment: { npm_config_registry: url, [`npm_config_//127.0.0.1:${port}/:_authToken`]: "anybody" },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
