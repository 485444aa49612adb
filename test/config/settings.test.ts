import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { generateSettings } from "../../scripts/generate-settings.ts";
import { settings } from "../../src/config/settings.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";
import { load, type Variables } from "./load.ts";

const folder = use(temporaryFolder);

test("without any variable: the documented defaults", () => {
  expect(load({})).toMatchObject({
    dataDir: "/var/lib/gatewright",
    api: { addresses: ["127.0.0.1"], sockets: [], port: 8080, allowedHosts: [], loopback: true },
    caddy: {
      listenAddress: "0.0.0.0",
      httpPort: 80,
      httpsPort: 443,
      adminAddress: "unix//var/lib/gatewright/caddy/admin.sock",
      stopOnShutdown: false,
      timeouts: {
        readIdle: { text: "30s", ms: 30_000 },
        writeIdle: { text: "30s", ms: 30_000 },
        idle: { text: "2m", ms: 120_000 },
        connect: { text: "3s", ms: 3_000 },
      },
    },
    dns: { address: "127.0.0.1", port: 5353, zone: "hypeman.internal" },
    instances: { source: "registry" },
    tls: { allowedDomains: [] },
    log: { level: "info", levels: {} },
    warnings: [],
  });
});

test("every setting can be given empty, which means its default", () => {
  const empty = Object.fromEntries(settings.map((setting) => [setting.name, " "]));
  const { toolEnvironment: _, ...config } = load(empty);
  const { toolEnvironment: __, ...defaults } = load({});
  expect(config).toEqual(defaults);
});

test("the example file is valid with every line taken in, but for what needs a secret", async () => {
  const text = await readFile(resolve(import.meta.dirname, "../../.env.example"), "utf8");
  const lines = text.split("\n").filter((line) => /^#[A-Z0-9_]+=/.test(line));
  expect(lines.map((line) => line.slice(1, line.indexOf("=")))).toEqual(
    settings.map((setting) => setting.name),
  );
  const given = Object.fromEntries(lines.map((line) => line.slice(1).split(/=(.*)/s) as [string, string]));
  const config = load({
    ...given,
    JWT_SECRET: "s".repeat(32),
    CLOUDFLARE_API_TOKEN: "t".repeat(40),
    ACME_EAB_HMAC_KEY: "a2V5",
    ACME_FALLBACK_EAB_HMAC_KEY: "a2V5",
  });
  expect(config.tls.acme?.dns?.resolvers).toEqual(["1.1.1.1", "8.8.8.8"]);
});

test(".env.example and docs/configuration.md are what the list of settings says", async () => {
  expect(await generateSettings(true)).toEqual([]);
});

describe("the .env file", () => {
  test("fills in what the environment does not have", async () => {
    const envFile = join(folder.path, ".env");
    await writeFile(envFile, 'PORT=9001\nINTERNAL_DNS_PORT="9002" # comment\nLOG_LEVEL=debug\n');
    const config = load({ PORT: "9003" }, { envFile });
    expect([config.api.port, config.dns.port, config.log.level]).toEqual([9003, 9002, "debug"]);
  });

  test("that cannot be read is a problem, not a silent default", () => {
    expect(() => load({}, { envFile: folder.path })).toThrow(/cannot be read \(EISDIR\)/);
  });
});

describe("the data folder", () => {
  test.each<[string, Variables, string]>([
    ["XDG_STATE_HOME", { XDG_STATE_HOME: "/state", HOME: "/home/ann" }, "/state/gatewright"],
    ["the home folder", { HOME: "/home/ann" }, "/home/ann/.local/state/gatewright"],
    [
      "the home folder, where XDG_STATE_HOME is relative",
      { XDG_STATE_HOME: "x", HOME: "/home/ann" },
      "/home/ann/.local/state/gatewright",
    ],
  ])("is in %s for others than root", (_, environment, dataDir) => {
    expect(load(environment, { isRoot: false }).dataDir).toBe(dataDir);
  });
});

test("the configuration is frozen and shows no secret", () => {
  const config = load({
    JWT_SECRET: "hidden-1",
    HYPEMAN_TOKEN: "hidden-2",
    CLOUDFLARE_API_TOKEN: "hidden-3",
  });
  expect(Object.isFrozen(config.caddy.timeouts)).toBe(true);
  expect(() => Object.assign(config.api, { port: 1 })).toThrow(TypeError);
  for (const text of [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    `${config.api.secret}`,
  ]) {
    expect(text).not.toContain("hidden");
  }
  expect(config.secrets.map((secret) => secret.reveal())).toEqual(["hidden-1", "hidden-2", "hidden-3"]);
});

test("Caddy and the Go tool get none of our settings", () => {
  const config = load({
    PATH: "/bin",
    HTTPS_PROXY: "http://p",
    GOPROXY: "https://g",
    JWT_SECRET: "hidden",
    OTHER_TOKEN: "x",
  });
  expect(config.caddy.environment).toEqual({
    ACME_ORDERS_PER_MINUTE: "60",
    GOGC: "200",
    PATH: "/bin",
    HTTPS_PROXY: "http://p",
  });
  expect(load({ GOGC: "50" }).caddy.environment["GOGC"]).toBe("50");
  expect(config.toolEnvironment).toEqual({
    PATH: "/bin",
    HTTPS_PROXY: "http://p",
    GOPROXY: "https://g",
    OTHER_TOKEN: "x",
  });
});
