import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { call, rule, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

/** A Caddy that does not own up to its rate limiter, as one that was built without it. */
async function caddyWithout(module: string): Promise<string> {
  const file = join(folder.path, "caddy");
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

const folder = use(temporaryFolder);
const backend = use(() => startBackend("web"));
const gatewright = useGatewright({}, ["web"]);

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
    await gatewright.make("limited", limited);
    await gatewright.make("plain", rule("plain.test", "web", backend.port));
    expect((await visit(ports.http, "limited.test")).status).toBe(200);
    await gatewright.stop();
    await gatewright.start({ environment: { CADDY_BIN: await caddyWithout("http.handlers.rate_limit") } });
    expect((await visit(ports.http, "limited.test")).status).toBe(503);
    expect((await visit(ports.http, "plain.test")).status).toBe(200);
    expect((await call(`${url}/ready`)).text).toContain("ingress limited is closed: ");
    const refused = await gatewright.create("second", { ...limited, match: { hostname: "second.test" } });
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
    await gatewright.make("third", rule("third.test", "web", backend.port));
  });
});
