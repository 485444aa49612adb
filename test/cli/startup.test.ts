import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { CliHome } from "../support/run-cli.ts";
import { ingressOf } from "../support/sketch.ts";
import { use } from "../support/use.ts";

/** Writes the URL of each module that is loaded, one a line, to the standard error. */
const HOOK = `import { registerHooks } from "node:module";
registerHooks({
  load(url, context, next) {
    process.stderr.write(url + "\\n");
    return next(url, context);
  },
});
`;

const home = use(async () => new CliHome());
const api = use(() => startApi({ ingresses: [ingressOf("shop")] }));

/** What a run loads, below the top folder. */
async function loadedBy(...args: readonly string[]): Promise<readonly string[]> {
  writeFileSync(join(home.path, "hook.mjs"), HOOK);
  const env = { NODE_OPTIONS: `--import ${join(home.path, "hook.mjs")}`, GATEWRIGHT_URL: api.url };
  const { code, stderr } = await home.run(args, { env });
  expect(code).toBe(0);
  const top = new URL("../..", import.meta.url).href;
  return stderr.split("\n").flatMap((url) => (url.startsWith(top) ? [url.slice(top.length)] : []));
}

describe("what is loaded", () => {
  it.each([[["--help"]], [["ingress", "list"]], [["ingress", "--help"]]])("by %j is little", async (args) => {
    const loaded = await loadedBy(...args);
    const packages = loaded
      .filter((file) => file.startsWith("node_modules/"))
      .map((file) => file.split("/")[1]);
    expect([...new Set(packages)]).toEqual(["commander"]);
    const others = loaded.filter((file) => /^src\/(?!cli\/)/.test(file));
    expect(others.sort()).toEqual(["src/errors.ts", "src/http/error-status.ts", "src/model/target.ts"]);
    expect(loaded.length).toBeLessThan(50);
  });

  it("by a command is what that command needs", async () => {
    const loaded = await loadedBy("ingress", "get", "shop", "-o", "yaml");
    expect(loaded.some((file) => file.startsWith("node_modules/yaml/"))).toBe(true);
  });
});

describe("what was compiled", () => {
  const kept = (own: CliHome): number => {
    const folder = join(own.path, ".cache/gatewright/compile");
    return existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0;
  };

  it("is kept in the home of the user", async () => {
    using own = new CliHome();
    expect(await own.run(["--version"])).toMatchObject({ code: 0, stderr: "" });
    expect(kept(own)).toBeGreaterThan(20);
  });

  it.runIf(process.getuid?.() === 0)("is neither kept nor read in a folder of another user", async () => {
    for (const folder of ["", ".cache", ".cache/gatewright"]) {
      using own = new CliHome();
      mkdirSync(join(own.path, folder), { recursive: true });
      chownSync(join(own.path, folder), 12345, 12345);
      expect(await own.run(["--version"])).toMatchObject({ code: 0, stderr: "" });
      expect([folder, kept(own)]).toEqual([folder, 0]);
    }
  });

  it("is done without where there is no home", async () => {
    expect(await home.run(["--version"], { env: { HOME: "/nonexistent" } })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });
});
