import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { buildGo } from "../../../src/caddy/go-build.ts";
import { eventually, visitSecurely } from "../../support/acme/handshake.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { askCaddy, call, createIngress, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { testCacheDir } from "../../support/caddy-binary.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const client = join(testCacheDir, "http3get");
const authority = use(createTestAuthority);
const gatewright = useGatewright({ TLS_ISSUER: "internal", HTTP3: "true" }, ["web-1"]);
const backend = use(() => startBackend("one"));
/** PEM file of what the client trusts. */
const roots = () => join(gatewright.dataDir, "roots.pem");

beforeAll(async () => {
  await buildGo({
    sourceDir: join(import.meta.dirname, "../../../caddy/internal/http3get"),
    output: client,
    cacheDir: testCacheDir,
    goVersion: "1.26",
    environment: process.env,
    progress: () => undefined,
  });
  await writeFile(roots(), authority.pem);
  const pair = await authority.issue({ names: ["*.fast.test"] });
  const body = { name: "fast", certificate_pem: pair.certificate, key_pem: pair.key };
  expect((await call(`${gatewright.url}/certificates`, { body })).status).toBe(201);
}, 180_000);

const get = async (port: number, host: string, ...more: readonly string[]): Promise<string> =>
  (await promisify(execFile)(client, [`127.0.0.1:${port}`, host, roots(), ...more])).stdout;
const secure = (
  hostname: string,
  port: number,
  tls_options: object = { certificate: "fast" },
  match: object = {},
) => rule(hostname, "web-1", backend.port, { port, ...match }, { tls: true, tls_options });

const caddyState = async (): Promise<{ readonly generation: number }> =>
  (await askCaddy<{ generation: number }>(gatewright.ports.admin, "/gatewright/state")).body;

describe("HTTP/3", () => {
  it("is spoken on TLS ports and offered to other clients, also after reloads", async () => {
    const port = gatewright.ports.https;
    const make = (name: string, at: number) =>
      createIngress({ url: gatewright.url, name, rules: [secure(`${name}.fast.test`, at)] });
    expect((await make("a", port)).status).toBe(201);
    expect(await eventually(() => get(port, "a.fast.test"))).toMatch(/^HTTP\/3.0 200 .*"backend":"one"/);
    const offered = await visitSecurely({ port, host: "a.fast.test", ca: authority.pem });
    expect(offered.headers["alt-svc"]).toContain(`h3=":${port}"`);
    // Another port is another configuration.
    const other = await freePort();
    expect((await make("b", other)).status).toBe(201);
    for (const [at, host] of [
      [port, "a.fast.test"],
      [other, "b.fast.test"],
    ] as const)
      expect(await eventually(() => get(at, host))).toMatch(/^HTTP\/3.0 200/);
  });

  it("answers requests at reloads, or rejects them as ones that nobody has handled", async () => {
    const port = gatewright.ports.https;
    const name = "steady.fast.test";
    const created = await createIngress({ url: gatewright.url, name: "steady", rules: [secure(name, port)] });
    expect(created.status).toBe(201);
    await eventually(() => get(port, name));
    const clients = spawn(client, [`127.0.0.1:${port}`, name, roots(), "steady"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    clients.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes("asking"));
    const { generation } = await caddyState();
    for (let round = 0; round < 5; round += 1) {
      const rules = [secure(`r${round}.fast.test`, await freePort())];
      expect((await createIngress({ url: gatewright.url, name: `r${round}`, rules })).status).toBe(201);
    }
    expect((await caddyState()).generation).toBeGreaterThanOrEqual(generation + 5);
    clients.stdin.end();
    await once(clients, "close");
    const met = JSON.parse(said.split("\n")[1] ?? "") as {
      readonly requests: number;
      readonly connections: number;
      readonly failures: { readonly [reason: string]: number };
    };
    // A client may send them again (RFC 9114 section 4.1.1); this one does so once.
    const others = Object.keys(met.failures).filter((reason) => !reason.includes("H3_REQUEST_REJECTED"));
    expect(others).toEqual([]);
    expect(met.requests).toBeGreaterThan(20);
    // Each reload has them connect again.
    expect(met.connections).toBeGreaterThan(4);
  }, 60_000);

  it("takes no early data, which anyone who saw it can send again", async () => {
    const port = await freePort();
    const rules = [secure("early.fast.test", port)];
    expect((await createIngress({ url: gatewright.url, name: "early", rules })).status).toBe(201);
    await eventually(() => get(port, "early.fast.test"));
    const [first, second, resumed] = (await get(port, "early.fast.test", "again")).trim().split("\n");
    expect([first, second]).toEqual(Array(2).fill(expect.stringMatching(/^HTTP\/3.0 200/)));
    expect(resumed).toBe("resumed, early data: false");
  });

  it("D4: does not carry requests to a row that demands a certificate, and carries others of the host", async () => {
    const port = await freePort();
    const secret = { certificate: "fast", client_auth: { mode: "require", ca_pem: authority.pem } };
    const rules = [
      secure("*.fast.test", port, secret),
      secure("open.fast.test", port, { certificate: "fast" }),
      secure(
        "www.fast.test",
        port,
        { certificate: "fast", min_version: "1.2" },
        { path: { type: "prefix", value: "/health" } },
      ),
    ];
    expect((await createIngress({ url: gatewright.url, name: "demands", rules })).status).toBe(201);
    expect(await eventually(() => get(port, "open.fast.test"))).toMatch(/^HTTP\/3.0 200/);
    for (const host of ["www.fast.test", "any.fast.test"])
      expect(await eventually(() => get(port, host))).toMatch(/^HTTP\/3.0 421/);
  });
});
