import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { docExamples } from "../../support/doc-examples.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const addresses = [1, 2, 3].map((n) => `127.7.${process.pid % 250}.${n}`);
/** Servers of the three addresses, on one port. */
const servers = use(async () => {
  const stack = new AsyncDisposableStack();
  let port = 0;
  for (const [index, address] of addresses.entries()) {
    const server = createServer((_request, response) => response.end(`web-${index + 1}\n`));
    server.listen({ host: address, port });
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
    stack.use(server);
  }
  return { port, [Symbol.asyncDispose]: () => stack.disposeAsync() };
});
const gatewright = useGatewright();
const site = use(async () => ({ port: await freePort() }));

/** Runs an example as a reader would paste it, with the ports and addresses of this test. */
async function run(script: string): Promise<string> {
  const here = script
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewright.ports.api}`)
    .replaceAll("127.0.0.'$n'", `127.7.${process.pid % 250}.'$n'`)
    .replaceAll("8000", String(site.port))
    .replaceAll("3000", String(servers.port));
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
