import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { policies } from "../../../src/policies/index.ts";
import { type Backend, startBackend } from "../../support/backend.ts";
import { docExamples } from "../../support/doc-examples.ts";
import { freePort } from "../../support/free-port.ts";
import { type Gatewright, startGatewright } from "../../support/gatewright.ts";

let gatewright: Gatewright;
let backend: Backend;
let site: number;

beforeAll(async () => {
  backend = await startBackend("web");
  gatewright = await startGatewright();
  site = await freePort();
}, 120_000);

afterAll(async () => {
  await gatewright?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

/** Runs an example as a reader would paste it, with the ports of this test. */
async function run(script: string): Promise<string> {
  const here = script
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewright.ports.api}`)
    .replaceAll("127.0.0.1:2019", `127.0.0.1:${gatewright.ports.admin}`)
    .replaceAll("8000", String(site))
    .replaceAll("3000", String(backend.port));
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", here], { timeout: 20_000 });
  return stdout.replaceAll("\r", "");
}

describe("docs/routing.md", () => {
  const examples = docExamples("routing.md");

  it("has an example for each policy", () => {
    const scripts = examples.map(({ script }) => script).join("\n");
    for (const policy of [...policies.map(({ key }) => key), "timeouts"])
      expect(scripts).toContain(`"policies": {"${policy}":`);
  });

  it.each(examples.map((example, index) => ({ ...example, index })))(
    "$heading: example $index",
    async ({ script, output }) => {
      const printed = await run(script);
      if (output !== undefined) expect(printed).toBe(output);
    },
  );
});
