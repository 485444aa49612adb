import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { policies } from "../../../src/policies/index.ts";
import { startBackend } from "../../support/backend.ts";
import { docExamples } from "../../support/doc-examples.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend("web"));
// Its admin endpoint is the socket that the page asks.
const gatewright = useGatewright({ CADDY_ADMIN_PORT: "" });
const site = use(async () => ({ port: await freePort() }));

/** Runs an example as a reader would paste it, with the ports of this test. */
async function run(script: string): Promise<string> {
  const here = script
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewright.ports.api}`)
    .replaceAll("/var/lib/gatewright", gatewright.dataDir)
    .replaceAll("8000", String(site.port))
    .replaceAll("3000", String(backend.port));
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", here], { timeout: 20_000 });
  return stdout.replaceAll("\r", "");
}

describe("docs/routing.md", () => {
  const examples = docExamples("routing.md");

  it("has an example for each policy", () => {
    const scripts = examples.map(({ script }) => script).join("\n");
    for (const { key, inRule } of policies)
      expect(scripts).toContain(inRule === true ? `"${key}": {` : `"policies": {"${key}":`);
    expect(scripts).toContain('"policies": {"timeouts":');
  });

  it.each(examples.map((example, index) => ({ ...example, index })))(
    "$heading: example $index",
    async ({ script, output }) => {
      const printed = await run(script);
      if (output !== undefined) expect(printed).toBe(output);
    },
  );
});
