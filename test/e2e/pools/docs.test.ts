import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { docExamples } from "../../support/doc-examples.ts";
import { freePort } from "../../support/free-port.ts";
import { type Gatewright, startGatewright } from "../../support/gatewright.ts";

const addresses = [1, 2, 3].map((n) => `127.7.${process.pid % 250}.${n}`);
const servers: Server[] = [];
let gatewright: Gatewright;
let port = 0;
let site: number;

beforeAll(async () => {
  for (const [index, address] of addresses.entries()) {
    const server = createServer((_request, response) => response.end(`web-${index + 1}\n`));
    server.listen({ host: address, port });
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
    servers.push(server);
  }
  gatewright = await startGatewright();
  site = await freePort();
});

afterAll(async () => {
  await gatewright[Symbol.asyncDispose]();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Runs an example as a reader would paste it, with the ports and addresses of this test. */
async function run(script: string): Promise<string> {
  const here = script
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewright.ports.api}`)
    .replaceAll("127.0.0.'$n'", `127.7.${process.pid % 250}.'$n'`)
    .replaceAll("8000", String(site))
    .replaceAll("3000", String(port));
  const shell = promisify(execFile)("bash", ["-euo", "pipefail", "-c", here], {
    cwd: gatewright.dataDir,
    timeout: 20_000,
  });
  return (await shell).stdout.replaceAll("\r", "");
}

describe("docs/pools.md", () => {
  it.each(docExamples("pools.md").map((example, index) => ({ ...example, index })))(
    "$heading: example $index",
    async ({ script, output }) => {
      const printed = await run(script);
      if (output !== undefined) expect(printed).toBe(output);
    },
  );
});
