import { stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import type { Revision } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { jwtSecret, token } from "../../support/authorized.ts";
import { failedStart } from "../../support/failed-start.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { CliHome } from "../../support/run-cli.ts";
import { signToken } from "../../support/sign-token.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { use } from "../../support/use.ts";

const folder = use(() => temporaryFolder());
const path = (): string => join(folder.path, "api.sock");
const site = use(() =>
  startGatewright({ LISTEN_ADDRESS: `127.0.0.1, unix/${path()}`, JWT_SECRET: jwtSecret }),
);

interface Asked {
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: object;
}

async function ask(target: string, { method = "GET", headers = {}, body }: Asked = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const options = { socketPath: path(), path: target, method, agent: false };
  const type = body === undefined ? {} : { "content-type": "application/json" };
  request({ ...options, headers: { ...type, ...headers } }, async (response) =>
    resolve({ status: response.statusCode ?? 0, text: await text(response) }),
  )
    .on("error", reject)
    .end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

const web = { network: { ip: "127.0.0.1" } };
const ingress = (name: string) => ({
  name,
  rules: [{ match: { hostname: `${name}.test` }, target: { instance: "web", port: 9 } }],
});

describe("LISTEN_ADDRESS with a socket beside TCP", () => {
  it("asks nobody at the socket for a token, and everybody at the port", async () => {
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    expect((await ask("/instances/web", { method: "PUT", body: web })).status).toBe(201);
    expect((await ask("/ingresses", { method: "POST", body: ingress("one") })).status).toBe(201);
    expect((await call(`${site.url}/ingresses`)).status).toBe(401);
    expect((await ask("/tokens")).status).toBe(200);
  });

  it("has whoever calls there be the socket in revisions, without an address", async () => {
    const { body } = await call<readonly Revision[]>(`${site.url}/revisions`, { headers: token });
    expect(body[0]?.authors[0]?.actor).toMatchObject({ subject: "socket", via: "api" });
    expect(body[0]?.authors[0]?.actor).not.toHaveProperty("address");
  });

  it("holds a token that is given there to what it permits", async () => {
    const authorization = `Bearer ${signToken(jwtSecret, { sub: "ann", permissions: ["ingress:read"] })}`;
    expect((await ask("/ingresses", { headers: { authorization } })).status).toBe(200);
    const denied = await ask("/ingresses/one", { method: "DELETE", headers: { authorization } });
    expect(denied.status).toBe(403);
    expect((await ask("/ingresses", { headers: { authorization: "Bearer x" } })).status).toBe(401);
  });

  it("believes nobody there about an address", async () => {
    const headers = { "x-real-ip": "203.0.113.9", "x-forwarded-for": "203.0.113.9" };
    expect((await ask("/ingresses", { method: "POST", body: ingress("two"), headers })).status).toBe(201);
    expect((await ask("/revisions")).text).not.toContain("203.0.113.9");
  });

  it.each(["unix//", "unix:///", "unix:/"])("is where the command line calls by %s", async (scheme) => {
    using home = new CliHome({ GATEWRIGHT_URL: `${scheme}${path().slice(1)}` });
    const { code, stdout, stderr } = await home.run(["ingress", "list", "-o", "name"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.trim().split("\n").sort()).toEqual(["ingress/one", "ingress/two"]);
  });

  it("refuses another Gatewright there, and goes on", async () => {
    const { code, output } = await failedStart({
      DATA_DIR: join(folder.path, "other"),
      LISTEN_ADDRESS: `unix/${path()}`,
      INTERNAL_DNS_PORT: "0",
    });
    expect(code).toBe(1);
    expect(output).toContain("address_in_use");
    expect((await ask("/ready")).status).toBe(200);
  });

  it("is there again after a kill and after a stop", async () => {
    await site.stop("SIGKILL");
    expect((await stat(path())).isSocket()).toBe(true);
    await site.start();
    expect((await ask("/ready")).status).toBe(200);
    await site.stop();
    await expect(stat(path())).rejects.toThrow(/ENOENT/);
    await site.start();
    expect((await ask("/ingresses")).text).toContain("one.test");
  });

  it("needs no port at all", async () => {
    await site.stop();
    // The helper asks the port: this start is looked at by the socket alone.
    const started = site.start({ environment: { LISTEN_ADDRESS: `unix/${path()}` } }).catch(() => undefined);
    await expect
      .poll(async () => (await ask("/ready").catch(() => undefined))?.status, { timeout: 20_000 })
      .toBe(200);
    await expect(fetch(`${site.url}/health`)).rejects.toThrow();
    await site.stop();
    await started;
  });
});
