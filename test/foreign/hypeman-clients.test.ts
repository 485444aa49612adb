import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { goBinary } from "../support/acme/go-binary.ts";
import { call } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { pythonTools, runTool } from "../support/foreign-tools.ts";
import { signToken } from "../support/sign-token.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

/** hypeman's own clients, against a whole Gatewright. Its client for Node is in test/contract/sdk.test.ts. */
const secret = "a secret of hypeman's clients, long enough";
const token = signToken(secret, { sub: "ann" });
const slowMs = 300_000;

const backend = use(() => startBackend());
const gatewright = useGatewright({ JWT_SECRET: secret });
const folder = use(() => temporaryFolder());

beforeAll(async () => {
  const headers = { authorization: `Bearer ${token}` };
  const body = { network: { ip: "127.0.0.1" } };
  expect((await call(`${gatewright.url}/instances/web-1`, { method: "PUT", body, headers })).status).toBe(
    201,
  );
});

/** Its program: HYPEMAN_CLI where that is set, else of the Go module; undefined where that cannot be downloaded. */
async function hypemanCli(): Promise<string | undefined> {
  const given = process.env["HYPEMAN_CLI"];
  if (given !== undefined) return given;
  try {
    return await goBinary({
      module: "github.com/kernel/hypeman-cli",
      folder: "cmd/hypeman",
      version: "v0.15.0",
    });
  } catch (error) {
    console.warn(`hypeman's command line cannot be built: ${String((error as Error).message).slice(0, 400)}`);
    return undefined;
  }
}

describe("hypeman's command line", () => {
  let program: string | undefined;
  beforeAll(async () => {
    program = await hypemanCli();
  }, slowMs);

  async function hypeman(...args: readonly string[]): Promise<string> {
    const env = {
      PATH: process.env["PATH"],
      HOME: folder.path,
      HYPEMAN_BASE_URL: gatewright.url,
      HYPEMAN_API_KEY: token,
    };
    const { stdout, stderr } = await promisify(execFile)(program ?? "", args, { env });
    return stdout + stderr;
  }

  it("creates, lists, shows and deletes ingresses, which are served", async ({ skip }) => {
    if (program === undefined) return skip();
    const host = ["--hostname", "shop.test", "--host-port", String(gatewright.ports.http)];
    const made = await hypeman(
      "ingress",
      "create",
      "web-1",
      "--name",
      "shop",
      "--port",
      String(backend.port),
      ...host,
      "--tag",
      "team=web",
    );
    expect(made).toContain("shop");
    expect(await gatewright.reach("shop.test")).toBe(200);
    expect(await hypeman("ingress", "list")).toMatch(/shop .*shop\.test/);
    const shown = JSON.parse(await hypeman("ingress", "get", "shop", "--format", "json")) as Ingress;
    expect(shown).toMatchObject({
      name: "shop",
      tags: { team: "web" },
      rules: [{ match: { hostname: "shop.test" }, target: { instance: "web-1" } }],
    });
    await expect(
      hypeman("ingress", "create", "web-1", "--name", "shop", "--port", "80", ...host),
    ).rejects.toThrow("409 Conflict");
    await expect(
      hypeman("ingress", "create", "nobody", "--name", "x", "--port", "80", "--hostname", "x.test"),
    ).rejects.toThrow("400 Bad Request");
    await hypeman("ingress", "delete", "shop");
    expect(await gatewright.reach("shop.test")).not.toBe(200);
    await expect(hypeman("ingress", "get", "shop")).rejects.toThrow("404");
  });

  it("lists instances", async ({ skip }) => {
    if (program === undefined) return skip();
    expect(await hypeman("ps")).toMatch(/web-1/);
  });
});

describe("hypeman's Python SDK", () => {
  let python: string | undefined;
  beforeAll(async () => {
    python = await pythonTools(["hypeman==0.28.0"]);
  }, slowMs);

  it("creates, lists, shows and deletes ingresses, and knows the errors", async ({ skip }) => {
    if (python === undefined) return skip();
    const script = join(folder.path, "client.py");
    await writeFile(
      script,
      `import sys
from hypeman import Hypeman, ConflictError, NotFoundError
client = Hypeman(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
rules = [{"match": {"hostname": "py.test"}, "target": {"instance": "web-1", "port": int(sys.argv[3])}}]
made = client.ingresses.create(name="py", rules=rules, tags={"team": "web"})
print(made.name, made.rules[0].match.hostname, made.rules[0].tls)
print([one.name for one in client.ingresses.list(tags={"team": "web"})], client.ingresses.get("py").id == made.id)
try:
    client.ingresses.create(name="py", rules=rules)
except ConflictError as error:
    print(error.status_code, error.body["code"])
print([one.name for one in client.instances.list()])
client.ingresses.delete("py")
try:
    client.ingresses.get("py")
except NotFoundError as error:
    print(error.status_code, error.body["code"])
`,
    );
    const said = await runTool(join(python, "python"), [script, gatewright.url, token, String(backend.port)]);
    expect(said.output.trim().split("\n")).toEqual([
      "py py.test False",
      "['py'] True",
      "409 already_exists",
      "['web-1']",
      "404 not_found",
    ]);
  });
});
