import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, createIngress, putInstance, rule, visit } from "../../support/api.ts";
import { type Backend, startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { type Gatewright, startGatewright } from "../../support/gatewright.ts";

let folder: string;
let backend: Backend;
let gatewright: Gatewright;

/** A Caddy that does not own up to its rate limiter, as one that was built without it. */
async function caddyWithout(module: string): Promise<string> {
  const file = join(folder, "caddy");
  const caddy = await builtCaddy();
  const script = `#!/bin/sh
if [ "$1" = list-modules ]; then
  "${caddy}" "$@" | "${process.execPath}" -e '
    let text = ""; process.stdin.on("data", (chunk) => (text += chunk)).on("end", () =>
      console.log(JSON.stringify(JSON.parse(text).filter((entry) => entry.module_name !== "${module}"))))'
else
  exec "${caddy}" "$@"
fi
`;
  await writeFile(file, script);
  await chmod(file, 0o755);
  return file;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatewright-modules-"));
  backend = await startBackend("web");
  gatewright = await startGatewright();
  await putInstance(gatewright.url, "web", backend.address);
}, 120_000);

afterAll(async () => {
  await gatewright?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe("a Caddy without the rate limiter", () => {
  it("serves what was stored closed, and refuses new rules that need it by the module's name", async () => {
    const { url, ports } = gatewright;
    const limited = rule(
      "limited.test",
      "web",
      backend.port,
      {},
      { policies: { rate_limit: { requests_per_second: 9 } } },
    );
    await createIngress({ url, name: "limited", rules: [limited] });
    await createIngress({ url, name: "plain", rules: [rule("plain.test", "web", backend.port)] });
    expect((await visit(ports.http, "limited.test")).status).toBe(200);
    await gatewright.stop();
    await gatewright.start({ environment: { CADDY_BIN: await caddyWithout("http.handlers.rate_limit") } });
    expect((await visit(ports.http, "limited.test")).status).toBe(503);
    expect((await visit(ports.http, "plain.test")).status).toBe(200);
    expect((await call(`${url}/ready`)).text).toContain("ingress limited is closed: ");
    const refused = await createIngress({
      url,
      name: "second",
      rules: [{ ...limited, match: { hostname: "second.test" } }],
    });
    expect([refused.status, refused.body]).toMatchObject([
      400,
      {
        code: "module_missing",
        details: [
          {
            field: "rules[0].policies.rate_limit",
            message: expect.stringContaining("http.handlers.rate_limit"),
          },
        ],
      },
    ]);
    expect(
      (await createIngress({ url, name: "third", rules: [rule("third.test", "web", backend.port)] })).status,
    ).toBe(201);
  });
});
