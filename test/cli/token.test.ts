import { expect, it } from "vitest";
import type { Token } from "../../src/model/api.ts";
import { startApi } from "../support/http-api.ts";
import { CliHome } from "../support/run-cli.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-command-line-0123456";
const api = use(() => startApi({ secret }));
const home = use(
  async () => new CliHome({ GATEWRIGHT_URL: api.url, GATEWRIGHT_TOKEN: signToken(secret, { sub: "ann" }) }),
);

it("tokens are made, used, listed and deleted", async () => {
  const made = await home.run(["token", "create", "ci", "--scope", "ingress:read", "--scope", "admin:read"]);
  expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^gw_\S{68}\n$/)]);
  const env = { GATEWRIGHT_TOKEN: made.stdout.trim() };
  expect(await home.run(["ingress", "list", "-o", "name"], { env })).toMatchObject({ code: 0, stdout: "" });
  expect((await home.run(["token", "delete", "ci", "--yes"], { env })).stderr).toContain("admin:write");
  expect((await home.run(["token", "list"])).stdout).toMatch(/^NAME .*\nci +ci +ingress:read admin:read /);
  expect((await home.run(["token", "delete", "ci", "--yes"])).code).toBe(0);
  expect(api.tokens.list()).toEqual([]);
});

it("limits and an end are given as options", async () => {
  const limits = ["--hostname", "*.a.test", "--hostname", "a.test", "--port", "80", "--policy", "compress"];
  const scope = ["--scope", "ingress:write"];
  const made = await home.run([
    ...["token", "create", "team", ...scope, "--subject", "team-a", "--expires-in", "720h", "-o", "json"],
    ...limits,
  ]);
  expect(JSON.parse(made.stdout) as Token).toMatchObject({
    subject: "team-a",
    limits: { hostnames: ["*.a.test", "a.test"], ports: [80], policies: ["compress"] },
    expires_at: expect.any(String),
  });
  await home.run(["token", "create", "own", ...scope, "--own"]);
  expect(api.tokens.find("own")?.limits).toEqual({});
  expect(await home.run(["token", "create", "x", ...scope, "--port", "http"])).toMatchObject({ code: 2 });
  const slip = await home.run(["token", "create", "x", "--scope", "ingres:write"]);
  expect([slip.code, slip.stderr]).toEqual([
    2,
    expect.stringMatching(/^error: scopes\[0\]: .*the nearest is "ingress:write" \(invalid_value\)\n$/),
  ]);
});
