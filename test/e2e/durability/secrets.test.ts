import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { call, rule, visit } from "../../support/api.ts";
import { openEventStream } from "../../support/event-stream.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { startHypeman } from "../../support/hypeman-server.ts";
import { startOtlpReceiver } from "../../support/otlp/receiver.ts";
import { signToken } from "../../support/sign-token.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";

const [first, second] = ["first-key-".repeat(4), "second-key-".repeat(4)];

test("JWT_SECRET and JWT_SECRET_PREVIOUS rotate while calls go on; a key that is lost does not open the API", async () => {
  await using folder = await temporaryFolder();
  const [key, previous] = [join(folder.path, "key"), join(folder.path, "previous")];
  await writeFile(key, `${first}\n`, { mode: 0o600 });
  await writeFile(previous, `${"none".repeat(8)}\n`, { mode: 0o600 });
  await using gatewright = await startGatewright({
    JWT_SECRET_FILE: key,
    JWT_SECRET_PREVIOUS_FILE: previous,
  });
  const pid = gatewright.process().pid;
  const statusWith = async (secret: string) => {
    const authorization = `Bearer ${signToken(secret, { sub: "ci", permissions: ["ingress:read"] })}`;
    return (await call(`${gatewright.url}/ingresses`, { headers: { authorization } })).status;
  };
  expect([await statusWith(first), await statusWith(second)]).toEqual([200, 401]);

  await writeFile(key, second);
  await writeFile(previous, first);
  gatewright.process().kill("SIGHUP");
  await until(async () => (await statusWith(second)) === 200);
  expect(await statusWith(first)).toBe(200);
  const reads = { sub: "ci", permissions: ["admin:read"] };
  using stream = await openEventStream(gatewright.url, "", {
    Authorization: `Bearer ${signToken(first, reads)}`,
  });

  // Without a signal: a file that changes is noticed.
  await writeFile(previous, "another-key-".repeat(4));
  await until(async () => (await statusWith(first)) === 401);
  // What was begun with that key ends too.
  await until(() => stream.ended !== "no");
  expect(await statusWith(second)).toBe(200);

  await writeFile(key, "");
  gatewright.process().kill("SIGHUP");
  await until(() => gatewright.output().includes("the settings were not read again"));
  expect(await statusWith(second)).toBe(200);
  expect((await call(`${gatewright.url}/ingresses`)).status).toBe(401);
  expect(gatewright.process()).toMatchObject({ pid, exitCode: null });
  for (const secret of [first, second]) expect(gatewright.output()).not.toContain(secret);
});

test("hypeman is asked with a new token as soon as that is in its file", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "token");
  await writeFile(file, "token-that-was", { mode: 0o600 });
  await using hypeman = await startHypeman("token-that-is");
  await using gatewright = await startGatewright({
    INSTANCE_SOURCE: "hypeman",
    HYPEMAN_URL: hypeman.url,
    HYPEMAN_POLL_INTERVAL: "100ms",
    HYPEMAN_TOKEN_FILE: file,
  });
  const tokens = () => hypeman.requests.map(({ headers }) => headers.authorization);
  await until(() => tokens().includes("Bearer token-that-was"));
  await writeFile(file, "token-that-is");
  gatewright.process().kill("SIGHUP");
  await until(() => tokens().includes("Bearer token-that-is"));
  const count = tokens().length;
  await until(() => tokens().length > count);
  expect(new Set(tokens().slice(count))).toEqual(new Set(["Bearer token-that-is"]));
});

test("Caddy takes a new CLOUDFLARE_API_TOKEN by a reload and no restart", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "token");
  const [old, renewed] = ["a".repeat(40), "b".repeat(40)];
  await writeFile(file, old, { mode: 0o600 });
  await using gatewright = await startGatewright({
    ACME_EMAIL: "ops@example.com",
    // Nobody answers there, and no order is what this is about.
    ACME_CA: "https://127.0.0.1:9/directory",
    ACME_DNS_PROVIDER: "cloudflare",
    TLS_ALLOWED_DOMAINS: "*.example.com",
    CLOUDFLARE_API_TOKEN_FILE: file,
  });
  const rules = [rule("shop.example.com", "web-1", 3000, {}, { tls: true })];
  await call(`${gatewright.url}/instances/web-1`, { method: "PUT", body: { network: { ip: "127.0.0.1" } } });
  expect((await call(`${gatewright.url}/ingresses`, { body: { name: "shop", rules } })).status).toBe(201);
  const caddy = join(gatewright.dataDir, "caddy");
  const before = {
    config: await readFile(join(caddy, "config.json"), "utf8"),
    pid: await gatewright.caddyPid(),
  };

  await writeFile(file, renewed);
  gatewright.process().kill("SIGHUP");
  await until(async () => (await readFile(join(caddy, "config.json"), "utf8")) !== before.config);
  expect(await readFile(join(caddy, "cloudflare.token"), "utf8")).toBe(renewed);
  await until(() => gatewright.output().includes("the settings were read again"));
  expect(await gatewright.caddyPid()).toBe(before.pid);
  for (const secret of [old, renewed]) {
    expect(gatewright.output()).not.toContain(secret);
    expect(await readFile(join(caddy, "config.json"), "utf8")).not.toContain(secret);
  }
});

test.each(["grpc", "http/protobuf"] as const)(
  "exports of OTLP (%s) carry new headers, those of Caddy too",
  async (protocol) => {
    await using folder = await temporaryFolder();
    await using receiver = await startOtlpReceiver(protocol);
    const file = join(folder.path, "headers");
    await writeFile(file, "x-key=that-was", { mode: 0o600 });
    await using gatewright = await startGatewright({
      OTEL_ENABLED: "true",
      OTEL_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_METRIC_EXPORT_INTERVAL: "200",
      OTEL_EXPORTER_OTLP_HEADERS_FILE: file,
    });
    const { url, ports } = gatewright;
    const pids = [gatewright.process().pid, await gatewright.caddyPid()];
    await call(`${url}/instances/web-1`, { method: "PUT", body: { network: { ip: "127.0.0.1" } } });
    await call(`${url}/ingresses`, { body: { name: "shop", rules: [rule("shop.test", "web-1", 1)] } });
    /** Has both be traced once more; what carried the spans of each. */
    const keys = async () => {
      const count = receiver.traces.length;
      const scopes = () => new Set(receiver.traces.slice(count).map(({ scope }) => scope));
      await call(`${url}/ingresses`);
      await visit(ports.http, "shop.test");
      await until(() => scopes().size === 2);
      return scopes();
    };
    await keys();
    await until(() => receiver.keys.has("that-was"));
    await writeFile(file, "x-key=that-is");
    gatewright.process().kill("SIGHUP");
    await until(() => gatewright.output().includes("the settings were read again"));
    await keys();
    receiver.keys.clear();
    await keys();
    await until(() => receiver.keys.has("that-is"));
    expect([...receiver.keys]).toEqual(["that-is"]);
    expect([gatewright.process().pid, await gatewright.caddyPid()]).toEqual(pids);
    expect(gatewright.output()).not.toMatch(/that-(?:was|is)|take a restart/);
  },
);

test("a setting that takes a restart is named by a warning when it has changed, without its value", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, ".env");
  await writeFile(file, "DRAIN_TIMEOUT=11s\n");
  await using gatewright = await startGatewright({}, folder.path);
  await writeFile(file, "DRAIN_TIMEOUT=12s\nLOG_LEVEL_API=debug\n");
  gatewright.process().kill("SIGHUP");
  await until(() => gatewright.output().includes("take a restart"));
  const warning =
    gatewright
      .output()
      .split("\n")
      .find((line) => line.includes("take a restart")) ?? "";
  expect(JSON.parse(warning)).toMatchObject({ level: "warn", settings: ["DRAIN_TIMEOUT"] });
  expect(warning).not.toContain("12s");
});
