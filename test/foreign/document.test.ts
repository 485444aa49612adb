import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npmTools, pythonTools, runTool } from "../support/foreign-tools.ts";
import { startApi } from "../support/http-api.ts";

const document = join(import.meta.dirname, "../../src/model/openapi.json");
/** Installing takes a minute where nothing is cached. */
const slowMs = 300_000;

let folder: string;
let node: string | undefined;
let python: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatewright-foreign-"));
  [node, python] = await Promise.all([
    npmTools([
      "@redocly/cli@2.77.0",
      "@stoplight/spectral-cli@6.16.3",
      "openapi-typescript@7.13.0",
      "openapi-fetch@0.17.0",
      "typescript@5.9.3",
    ]),
    pythonTools(["openapi-python-client==0.29.1"]),
  ]);
}, slowMs);
afterAll(() => rm(folder, { recursive: true, force: true }));

const bin = (name: string): string => join(node ?? "", ".bin", name);

describe("E11: the API's document", () => {
  it("has no errors for redocly", { timeout: slowMs }, async ({ skip }) => {
    if (node === undefined) return skip();
    const { code, output } = await runTool(process.execPath, [bin("redocly"), "lint", document], folder);
    expect(code, output).toBe(0);
  });

  it("has no errors for spectral", { timeout: slowMs }, async ({ skip }) => {
    if (node === undefined) return skip();
    const ruleset = join(folder, "spectral.yaml");
    await writeFile(ruleset, 'extends: ["spectral:oas"]\n');
    const args = [bin("spectral"), "lint", "--ruleset", ruleset, "--fail-severity", "error", document];
    const { code, output } = await runTool(process.execPath, args, folder);
    expect(code, output).toBe(0);
  });

  it("makes a TypeScript client that compiles and talks to the API", { timeout: slowMs }, async ({
    skip,
  }) => {
    if (node === undefined) return skip();
    const types = await runTool(process.execPath, [
      bin("openapi-typescript"),
      document,
      "-o",
      join(folder, "api.d.ts"),
      // Keys with a default may be left out of requests.
      "--default-non-nullable=false",
    ]);
    expect(types.code, types.output).toBe(0);
    await runTool("ln", ["-s", node, join(folder, "node_modules")]);
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await writeFile(
      join(folder, "client.mts"),
      `import createClient from "openapi-fetch";
import type { paths } from "./api.d.ts";
declare const process: { argv: string[] };
declare const console: { log(...values: unknown[]): void };
const client = createClient<paths>({ baseUrl: process.argv[2] ?? "" });
await client.PUT("/instances/{id}", { params: { path: { id: "web-1" } }, body: { network: { ip: "10.0.0.1" } } });
const made = await client.POST("/ingresses", {
  body: { name: "shop", rules: [{ match: { hostname: "shop.example.com" }, target: { instance: "web-1", port: 80 } }] },
});
const listed = await client.GET("/ingresses", { params: { query: { name: "shop" } } });
const again = await client.POST("/ingresses", { body: { name: "shop", rules: made.data?.rules ?? [] } });
console.log(made.data?.rules[0]?.match.hostname, listed.data?.length, again.error?.code satisfies string | undefined);
`,
    );
    const strict = [
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--noEmit",
      "--allowImportingTsExtensions",
    ];
    const compiled = await runTool(process.execPath, [bin("tsc"), ...strict, "client.mts"], folder);
    expect(compiled.code, compiled.output).toBe(0);
    await using api = await startApi();
    const said = await runTool(process.execPath, [join(folder, "client.mts"), api.url], folder);
    expect(said.output).toContain("shop.example.com 1 already_exists");
  });

  it("makes a Python client that talks to the API", { timeout: slowMs }, async ({ skip }) => {
    if (python === undefined) return skip();
    const output = join(folder, "gatewright_client");
    // Nothing that formats is needed.
    const config = join(folder, "client.yaml");
    await writeFile(config, "post_hooks: []\n");
    const args = [
      "generate",
      "--path",
      document,
      "--output-path",
      output,
      "--meta",
      "none",
      "--config",
      config,
      "--fail-on-warning",
    ];
    const made = await runTool(join(python, "openapi-python-client"), args, folder);
    expect(made.code, made.output).toBe(0);
    await writeFile(
      join(folder, "client.py"),
      `import sys
from gatewright_client import Client
from gatewright_client.api.instances import put_instance
from gatewright_client.api.ingresses import create_ingress, list_ingresses
from gatewright_client.models import CreateIngressRequest, PutInstanceRequest

client = Client(base_url=sys.argv[1])
put_instance.sync(id="web-1", client=client, body=PutInstanceRequest.from_dict({"network": {"ip": "10.0.0.1"}}))
body = CreateIngressRequest.from_dict({"name": "shop", "rules": [
    {"match": {"hostname": "shop.example.com"}, "target": {"instance": "web-1", "port": 80}}]})
made = create_ingress.sync(client=client, body=body)
listed = list_ingresses.sync(client=client, name="shop")
again = create_ingress.sync(client=client, body=body)
print(made.rules[0].match.hostname, len(listed), again.code)
`,
    );
    await using api = await startApi();
    const said = await runTool(join(python, "python"), [join(folder, "client.py"), api.url], folder);
    expect(said.output).toContain("shop.example.com 1 already_exists");
  });
});
