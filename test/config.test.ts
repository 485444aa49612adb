import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateSettings } from "../scripts/generate-settings.ts";
import { parseDuration } from "../src/config/duration.ts";
import { settings } from "../src/config/settings.ts";
import { type Config, choosePorts, loadConfig } from "../src/config.ts";
import { isGatewrightError } from "../src/errors.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "gatewright-config-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

type Variables = { readonly [name: string]: string };

function load(environment: Variables, isRoot = true): Config {
  return loadConfig(environment, { envFile: path.join(folder, ".env"), isRoot });
}

/** Field and message of every problem. */
function problemsOf(environment: Variables): readonly (readonly [string | undefined, string])[] {
  try {
    load(environment);
  } catch (error) {
    if (!isGatewrightError(error, "config_invalid")) throw error;
    for (const problem of error.details) expect(error.message).toContain(problem.message);
    return error.details.map(({ field, message }) => [field, message]);
  }
  return [];
}

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

describe("the store", () => {
  const key = Buffer.alloc(32, 7).toString("base64");
  const etcd = {
    STORE: "etcd",
    ETCD_ENDPOINTS: "http://10.0.0.1:2379/, https://etcd.example.com:2379",
    STORE_KEY: key,
    GATEWAY_NAME: "edge-1",
  };

  test("is files by default", () => {
    expect(load({}).store).toEqual({ kind: "files" });
  });

  test("on etcd has origins, a prefix that ends in a slash, and keys that are not shown", () => {
    const other = Buffer.alloc(32, 251).toString("base64url");
    const config = load({
      ...etcd,
      STORE_KEY: `${key}, ${other}`,
      ETCD_PREFIX: "/edge",
      ETCD_USER: "gw",
      ETCD_PASSWORD: "hidden-1",
      ETCD_CA: "/etc/ca.pem",
    });
    expect(config.store).toMatchObject({
      kind: "etcd",
      endpoints: ["http://10.0.0.1:2379", "https://etcd.example.com:2379"],
      prefix: "/edge/",
      user: "gw",
      ca: "/etc/ca.pem",
    });
    const { store } = config;
    expect(store.kind === "etcd" && store.keys.map((one) => one.reveal())).toEqual([key, other]);
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toMatch(/hidden-1|BwcH|-_v7/);
    expect(config.secrets.map((secret) => secret.reveal())).toEqual(expect.arrayContaining([key, other]));
  });

  test("on etcd needs endpoints, a key and a name, each said at once", () => {
    const fields = problemsOf({ STORE: "etcd", ETCD_USER: "gw", ETCD_CERT: "c.pem" }).map(([field]) => field);
    expect(fields.sort()).toEqual(
      ["ETCD_ENDPOINTS", "ETCD_KEY", "ETCD_PASSWORD", "GATEWAY_NAME", "STORE_KEY"].sort(),
    );
  });

  test.each<[string, Variables]>([
    ["STORE", { STORE: "consul" }],
    ["ETCD_ENDPOINTS", { ETCD_ENDPOINTS: "10.0.0.1:2379" }],
    ["ETCD_ENDPOINTS", { ETCD_ENDPOINTS: "http://10.0.0.1:2379/v3" }],
    ["ETCD_PREFIX", { ETCD_PREFIX: "a b" }],
    ["STORE_KEY", { STORE_KEY: "c2hvcnQ=" }],
    ["STORE_KEY", { STORE_KEY: `${key},not a key` }],
    ["FOLLOW_URL", { FOLLOW_URL: "http://10.0.0.2:8080" }],
  ])("refuses a wrong %s: %j", (field, wrong) => {
    const problems = problemsOf({ ...etcd, ...wrong });
    expect(problems.map(([named]) => named)).toEqual([field]);
    expect(JSON.stringify(problems)).not.toContain("c2hvcnQ");
  });
});

test("every setting can be given empty, which means its default", () => {
  const empty = Object.fromEntries(settings.map((setting) => [setting.name, " "]));
  const { toolEnvironment: _, ...config } = load(empty);
  const { toolEnvironment: __, ...defaults } = load({});
  expect(config).toEqual(defaults);
});

test("the example file is valid with every line taken in, but for what needs a secret", async () => {
  const text = await readFile(path.resolve(import.meta.dirname, "../.env.example"), "utf8");
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

describe("values", () => {
  test("of every kind are read", () => {
    const config = load({
      PORT: " 9090 ",
      LISTEN_ADDRESS: "::",
      JWT_SECRET: "s".repeat(32),
      API_ALLOWED_HOSTS: "a.example.com, 10.1.1.1,",
      DATA_DIR: `${folder}/x/../data`,
      CADDY_ADMIN_ADDRESS: "unix//run/gatewright/admin.sock",
      CADDY_STOP_ON_SHUTDOWN: "T",
      IDLE_TIMEOUT: "1h0.5m",
      INTERNAL_DNS_ZONE: "VMS.Internal",
      INSTANCE_SOURCE: "hypeman",
      HYPEMAN_URL: "http://10.0.0.1:4973",
      HYPEMAN_TOKEN: "token-1",
      HYPEMAN_POLL_INTERVAL: "250ms",
      TARGET_ALLOW_CIDRS: "127.0.0.0/8,10.0.0.7,::1",
      ACME_EMAIL: "ops@example.com",
      ACME_CA: "staging",
      ACME_TIMEOUT: "5m",
      ACME_DNS_PROVIDER: "cloudflare",
      CLOUDFLARE_API_TOKEN: "token-2-0123456789-0123456789-0123456789",
      TLS_ALLOWED_DOMAINS: "*.Example.com,example.com",
      DNS_RESOLVERS: "1.1.1.1,[::1]:5353,dns.example.com:53",
      LOG_LEVEL_DNS: "debug",
    });
    expect(config).toMatchObject({
      api: { addresses: ["::"], port: 9090, loopback: false, allowedHosts: ["a.example.com", "10.1.1.1"] },
      dataDir: `${folder}/data`,
      caddy: {
        adminAddress: "unix//run/gatewright/admin.sock",
        stopOnShutdown: true,
        timeouts: { idle: { ms: 3_630_000 } },
      },
      dns: { zone: "vms.internal" },
      instances: { source: "hypeman", hypeman: { url: "http://10.0.0.1:4973", pollInterval: { ms: 250 } } },
      security: { targetAllowCidrs: ["127.0.0.0/8", "10.0.0.7/32", "::1/128"] },
      tls: {
        acme: {
          ca: "https://acme-staging-v02.api.letsencrypt.org/directory",
          timeout: { ms: 300_000 },
          dns: { provider: "cloudflare" },
        },
        allowedDomains: ["*.example.com", "example.com"],
      },
      log: { levels: { dns: "debug" } },
    });
    expect(config.tls.acme?.dns?.token.reveal()).toBe("token-2-0123456789-0123456789-0123456789");
    expect(config.instances.hypeman?.token?.reveal()).toBe("token-1");
  });

  test.each([
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["250us", 0.25],
  ])("duration %s", (text, ms) => expect(parseDuration(text)).toEqual({ text, ms }));

  test.each(["", "0", "0s", "30", "s", "-1s", "1 s", "1d", "30S"])("duration %j is refused", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe("wrong values", () => {
  const wrong: readonly (readonly [string, string])[] = [
    ["PORT", "80a"],
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "8080.5"],
    ["LISTEN_ADDRESS", "localhost"],
    ["LISTEN_ADDRESS", "127.0.0.1,unix/relative.sock"],
    ["LISTEN_ADDRESS", ","],
    ["LISTEN_SOCKET_GROUP", "two words"],
    ["API_HOSTNAME", "10.0.0.1"],
    ["API_HOSTNAME", "*.example.com"],
    ["API_TLS", "perhaps"],
    ["API_ALLOWED_HOSTS", "a b"],
    ["CADDY_ADMIN_ADDRESS", "0.0.0.0"],
    ["CADDY_ADMIN_ADDRESS", "10.0.0.1"],
    ["CADDY_ADMIN_ADDRESS", "unix/relative.sock"],
    ["CADDY_STOP_ON_SHUTDOWN", "yes please"],
    ["READ_IDLE_TIMEOUT", "30"],
    ["INTERNAL_DNS_ZONE", "no..zone"],
    ["INSTANCE_SOURCE", "docker"],
    ["HYPEMAN_URL", "ftp://10.0.0.1"],
    ["HYPEMAN_URL", "http://user:password@10.0.0.1"],
    ["TARGET_ALLOW_CIDRS", "10.0.0.0/33"],
    ["TARGET_ALLOW_CIDRS", "10.0.0.0/8,nonsense"],
    ["ACME_EMAIL", "nobody"],
    ["ACME_DNS_PROVIDER", "route53"],
    ["ACME_TIMEOUT", "0s"],
    ["ACME_CA", "http://ca.example.com/directory"],
    ["TLS_ALLOWED_DOMAINS", "*.*.example.com"],
    ["DNS_RESOLVERS", "1.1.1.1:0"],
    ["LOG_LEVEL", "verbose"],
    ["LOG_LEVEL_DNS", "verbose"],
    ["METRICS_INGRESSES", "0"],
    ["OTEL_ENDPOINT", "nowhere:99999"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "http"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s"],
    ["OTEL_RESOURCE_ATTRIBUTES", "production"],
  ];

  test.each(wrong)("%s=%s is refused by name, with what it takes", (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems.map(([field]) => field)).toEqual([name]);
    expect(problems[0]?.[1]).toMatch(new RegExp(`^${name}=.* must be .+`));
  });

  test("are all named at once", () => {
    const first = new Map(wrong);
    expect(
      problemsOf(Object.fromEntries(first))
        .map(([field]) => field)
        .sort(),
    ).toEqual([...first.keys()].sort());
  });

  test("never show a secret", () => {
    const text = JSON.stringify(
      problemsOf({ JWT_SECRET: "hidden-1", CLOUDFLARE_API_TOKEN: "hidden-2", PORT: "x" }),
    );
    expect(text).toContain("PORT");
    expect(text).not.toContain("hidden");
  });
});

describe("settings that need each other", () => {
  test.each<[Variables, string, RegExp]>([
    [{ JWT_SECRET_PREVIOUS: "s".repeat(32) }, "JWT_SECRET", /would leave the API open/],
    [{ LISTEN_ADDRESS: "0.0.0.0" }, "JWT_SECRET", /LISTEN_ADDRESS=0\.0\.0\.0/],
    [{ JWT_AUDIENCE: "gatewright" }, "JWT_JWKS_URL", /is needed for JWT_AUDIENCE/],
    [{ LISTEN_ADDRESS: "127.0.0.1,10.0.0.1" }, "JWT_SECRET", /LISTEN_ADDRESS=10\.0\.0\.1/],
    [{ LISTEN_ADDRESS: "127.0.0.1,0.0.0.0", JWT_SECRET: "s".repeat(32) }, "LISTEN_ADDRESS", /cannot both/],
    [{ LISTEN_ADDRESS: `unix//${"x".repeat(120)}` }, "LISTEN_ADDRESS", /107 bytes.*shorter path/],
    [{ API_HOSTNAME: "api.example.com", TLS_ISSUER: "internal" }, "JWT_SECRET", /API_HOSTNAME/],
    [{ API_HOSTNAME: "api.example.com", JWT_SECRET: "s".repeat(32) }, "ACME_EMAIL", /TLS_ISSUER=internal/],
    [
      {
        API_HOSTNAME: "a.test",
        API_TLS: "false",
        CADDY_LISTEN_ADDRESS: "::1",
        CADDY_ADMIN_PORT: "2019",
        DATA_DIR: "/a{b}",
      },
      "DATA_DIR",
      /plain path/,
    ],
    [{ INSTANCE_SOURCE: "file" }, "INSTANCE_FILE", /INSTANCE_SOURCE=file/],
    [{ INSTANCE_SOURCE: "hypeman" }, "HYPEMAN_URL", /INSTANCE_SOURCE=hypeman/],
    [{ ACME_EMAIL: "a@b.c", ACME_DNS_PROVIDER: "cloudflare" }, "CLOUDFLARE_API_TOKEN", /ACME_DNS_PROVIDER/],
    [
      { CLOUDFLARE_API_TOKEN: "t".repeat(40), ACME_DNS_PROVIDER: "cloudflare" },
      "ACME_EMAIL",
      /ACME_DNS_PROVIDER/,
    ],
    [{ HTTP_PORT: "443" }, "HTTPS_PORT", /HTTP_PORT are both 443/],
    [{ HTTP_PORT: "8080" }, "HTTP_PORT", /PORT are both 8080/],
    [
      { INTERNAL_DNS_PORT: "2019", CADDY_ADMIN_ADDRESS: "127.0.0.1" },
      "CADDY_ADMIN_PORT",
      /INTERNAL_DNS_PORT are both 2019/,
    ],
    [{ DATA_DIR: `/${"d".repeat(90)}` }, "DATA_DIR", /has 108 bytes.*takes 107 bytes.*CADDY_ADMIN_ADDRESS=/],
    [{ CADDY_ADMIN_ADDRESS: `unix//${"é".repeat(54)}` }, "CADDY_ADMIN_ADDRESS", /has 109 bytes/],
    [{ DATA_DIR: "/data|0777" }, "DATA_DIR", /must not contain/],
  ])("%j", (environment, field, message) => {
    expect(problemsOf(environment)).toEqual([[field, expect.stringMatching(message)]]);
  });

  test("equal ports on different addresses are fine, and so is any port beside a Unix socket", () => {
    expect(problemsOf({ CADDY_LISTEN_ADDRESS: "192.0.2.1", HTTP_PORT: "8080" })).toEqual([]);
    expect(problemsOf({ CADDY_ADMIN_ADDRESS: "unix//run/a.sock", PORT: "2019" })).toEqual([]);
    expect(problemsOf({ LISTEN_ADDRESS: "127.0.0.2" })).toEqual([]);
    expect(problemsOf({ LISTEN_ADDRESS: "::1" })).toEqual([]);
  });

  test("an identity provider closes the API as a secret does", () => {
    expect(problemsOf({ LISTEN_ADDRESS: "0.0.0.0", JWT_JWKS_URL: "https://id.test/keys" })).toEqual([]);
  });
});

describe("E4: Caddy's admin endpoint", () => {
  const adminOf = (environment: Variables) => {
    const { caddy, warnings } = load({ DATA_DIR: "/data", ...environment });
    return [caddy.adminAddress, caddy.adminPort, warnings.length];
  };
  test.each<[Variables, unknown[]]>([
    [{}, ["unix//data/caddy/admin.sock", undefined, 0]],
    [{ CADDY_ADMIN_ADDRESS: "", CADDY_ADMIN_PORT: "" }, ["unix//data/caddy/admin.sock", undefined, 0]],
    [{ CADDY_ADMIN_PORT: "2019" }, ["127.0.0.1", 2019, 1]],
    [{ CADDY_ADMIN_PORT: "0" }, ["127.0.0.1", 0, 1]],
    [{ CADDY_ADMIN_ADDRESS: "::1" }, ["::1", 2019, 1]],
    [
      { CADDY_ADMIN_ADDRESS: "unix//run/a.sock", CADDY_ADMIN_PORT: "2020" },
      ["unix//run/a.sock", undefined, 0],
    ],
    [{ DATA_DIR: `/${"d".repeat(200)}`, CADDY_ADMIN_PORT: "2019" }, ["127.0.0.1", 2019, 1]],
    [{ DATA_DIR: `/${"d".repeat(89)}` }, [`unix//${"d".repeat(89)}/caddy/admin.sock`, undefined, 0]],
  ])("%j", (environment, expected) => {
    expect(adminOf(environment)).toEqual(expected);
  });
});

describe("warnings", () => {
  test.each([
    ["CADDY_ADMN_PORT", "CADDY_ADMIN_PORT"],
    ["CADDY__ADMIN__PORT", "CADDY_ADMIN_PORT"],
    ["TLS_ALLOWED_DOMAIN", "TLS_ALLOWED_DOMAINS"],
    ["JWT_SECRT", "JWT_SECRET"],
    ["DATADIR", "DATA_DIR"],
    ["LOG_LEVEL_DSN", "LOG_LEVEL_DNS"],
    ["DNS_PORT", "INTERNAL_DNS_PORT"],
    ["CADDY_ADMIN", "CADDY_ADMIN_ADDRESS or CADDY_ADMIN_PORT"],
  ])("%s: did you mean %s?", (name, meant) => {
    expect(load({ [name]: "x" }).warnings).toEqual([`${name} is not a setting; did you mean ${meant}?`]);
  });

  test.each([
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "CADDY_VERSION",
    "PATH",
    "PWD",
    "HOST",
    "SPORT",
    "LOGNAME",
    "OTEL_SDK_DISABLED",
    "SERVICE_NAME",
  ])("%s is somebody else's", (name) => expect(load({ [name]: "x" }).warnings).toEqual([]));

  test("a short secret", () => {
    expect(load({ JWT_SECRET: "short" }).warnings).toEqual([
      "JWT_SECRET has 5 bytes; 32 or more are safe against guessing",
    ]);
  });

  test.each([
    ["https://id.test/keys", "gatewright", 0],
    ["http://127.0.0.1:9000/keys", "gatewright", 0],
    ["http://[::1]:9000/keys", "gatewright", 0],
    ["http://localhost/keys", "gatewright", 0],
    ["http://id.test/keys", "gatewright", 1],
    ["http://10.0.0.1/keys", "", 2],
  ])("an identity provider at %s for %j", (JWT_JWKS_URL, JWT_AUDIENCE, warnings) => {
    expect(load({ JWT_JWKS_URL, JWT_AUDIENCE }).warnings.length).toBe(warnings);
  });
});

test.each(["~", "~/data", "~user/data"])(
  "C11: DATA_DIR=%s is refused, since only a shell replaces ~",
  (value) => {
    expect(() => load({ DATA_DIR: value })).toThrow(/DATA_DIR=.* must be a path, without ~/);
  },
);

describe("E14: names of hypeman's newer versions", () => {
  test("are read, without a warning", () => {
    const config = load({
      ACME__EMAIL: "ops@example.com",
      ACME__ALLOWED_DOMAINS: "example.com",
      CADDY__INTERNAL_DNS_PORT: "5454",
      CADDY__STOP_ON_SHUTDOWN: "true",
      LOGGING__LEVEL: "debug",
    });
    expect(config).toMatchObject({
      tls: { acme: { email: "ops@example.com" }, allowedDomains: ["example.com"] },
      dns: { port: 5454 },
      caddy: { stopOnShutdown: true },
      log: { level: "debug" },
      warnings: [],
    });
  });

  test("stand behind ours, and before those of the .env file", async () => {
    await writeFile(path.join(folder, ".env"), "LOG_LEVEL=error\nCADDY__INTERNAL_DNS_PORT=5454\n");
    const config = load({
      LOGGING__LEVEL: "debug",
      ACME__CA: "production",
      ACME_CA: "staging",
      ACME_EMAIL: "a@example.com",
    });
    expect([config.log.level, config.dns.port]).toEqual(["debug", 5454]);
    expect(config.tls.acme?.ca).toContain("staging");
  });

  test("are refused by our name when they are wrong", () => {
    expect(() => load({ CADDY__INTERNAL_DNS_PORT: "x" })).toThrow(/INTERNAL_DNS_PORT=.* must be/);
  });
});

describe("the access log", () => {
  test("is off, in Caddy's folder, and bounded", () => {
    expect(load({}).accessLog).toEqual({
      mode: "off",
      sample: 1,
      client: "full",
      query: false,
      stdout: false,
      rollSizeMb: 100,
      rollKeep: 9,
      rollKeepDays: 30,
    });
  });

  test("is as its settings say", () => {
    expect(
      load({
        ACCESS_LOG: "all",
        ACCESS_LOG_SAMPLE: "0.1",
        ACCESS_LOG_CLIENT: "masked",
        ACCESS_LOG_QUERY: "true",
        ACCESS_LOG_OUTPUT: "stdout",
        ACCESS_LOG_FILE: "/var/log/a.log",
        ACCESS_LOG_ROLL_SIZE_MB: "1",
        ACCESS_LOG_ROLL_KEEP: "2",
        ACCESS_LOG_ROLL_KEEP_DAYS: "3",
      }).accessLog,
    ).toEqual({
      mode: "all",
      sample: 0.1,
      client: "masked",
      query: true,
      stdout: true,
      file: "/var/log/a.log",
      rollSizeMb: 1,
      rollKeep: 2,
      rollKeepDays: 3,
    });
  });

  test.each(["-0.1", "1.01", "ten", "1/10", ""])("has no sample %j", (text) => {
    const fields = problemsOf({ ACCESS_LOG_SAMPLE: text }).map(([field]) => field);
    expect(fields).toEqual(text === "" ? [] : ["ACCESS_LOG_SAMPLE"]);
  });
});

describe("OTLP", () => {
  const otlp = (environment: Variables) => load({ OTEL_ENABLED: "true", ...environment }).telemetry.otlp;

  test("is off, whatever else is set", () => {
    expect(load({ OTEL_ENDPOINT: "10.0.0.1:4317" }).telemetry).toEqual({ metricsIngresses: 1_000 });
  });

  test("goes to the collector of the machine by gRPC, as hypeman's", () => {
    expect(otlp({ OTEL_SERVICE_INSTANCE_ID: "edge-1" })).toEqual({
      protocol: "grpc",
      endpoint: "http://127.0.0.1:4317",
      headers: [],
      timeoutMs: 10_000,
      metricIntervalMs: 60_000,
      serviceName: "gatewright",
      instanceId: "edge-1",
      attributes: [],
      traces: { sampler: "parentbased_always_on", share: 1, trustParents: false },
    });
  });

  test("has traces as OpenTelemetry's variables say", () => {
    expect(
      otlp({
        OTEL_TRACES_SAMPLER: "traceidratio",
        OTEL_TRACES_SAMPLER_ARG: ".25",
        TRUST_TRACEPARENT: "true",
      })?.traces,
    ).toEqual({ sampler: "traceidratio", share: 0.25, trustParents: true });
    expect(otlp({ OTEL_TRACES_EXPORTER: "none" })).not.toHaveProperty("traces");
    expect(
      problemsOf({
        OTEL_TRACES_SAMPLER: "some",
        OTEL_TRACES_SAMPLER_ARG: "1.5",
        OTEL_TRACES_EXPORTER: "paper",
      }).map(([field]) => field),
    ).toEqual(["OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]);
  });

  test.each<[Variables, string]>([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, "http://127.0.0.1:4318"],
    [{ OTEL_ENDPOINT: "collector" }, "http://collector:4317"],
    [{ OTEL_ENDPOINT: "collector:1", OTEL_INSECURE: "false" }, "https://collector:1"],
    [{ OTEL_ENDPOINT: "::1" }, "http://[::1]:4317"],
    [{ OTEL_ENDPOINT: "[::1]:99" }, "http://[::1]:99"],
    [{ OTEL_ENDPOINT: "http://collector:1/otlp/", OTEL_INSECURE: "false" }, "http://collector:1/otlp"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector" }, "https://collector"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://other", OTEL_ENDPOINT: "mine" }, "http://mine:4317"],
    [{ OTEL__ENDPOINT: "of-hypeman" }, "http://of-hypeman:4317"],
  ])("with %j goes to %s", (environment, endpoint) => {
    expect(otlp(environment)?.endpoint).toBe(endpoint);
  });

  test("takes headers and attributes with escapes, and shows no value of a header", () => {
    const config = load({
      OTEL_ENABLED: "true",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20hidden-1, x-team=hidden%2C2",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=production,rack=4%3D",
      GATEWAY_NAME: "edge-2",
    });
    expect(config.telemetry.otlp).toMatchObject({
      instanceId: "edge-2",
      attributes: [
        ["deployment.environment.name", "production"],
        ["rack", "4="],
      ],
    });
    expect(config.telemetry.otlp?.headers.map(([name, value]) => [name, value.reveal()])).toEqual([
      ["authorization", "Bearer hidden-1"],
      ["x-team", "hidden,2"],
    ]);
    expect(JSON.stringify(config)).not.toContain("hidden");
    expect(config.secrets.map((secret) => secret.reveal())).toContain("hidden,2");
  });

  test("refuses headers that are none, without showing them", () => {
    const problems = problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: "x-key=1,hidden" });
    expect(problems.map(([field]) => field)).toEqual(["OTEL_EXPORTER_OTLP_HEADERS"]);
    expect(JSON.stringify(problems)).not.toContain("hidden");
  });
});

describe("the .env file", () => {
  test("fills in what the environment does not have", async () => {
    await writeFile(
      path.join(folder, ".env"),
      'PORT=9001\nINTERNAL_DNS_PORT="9002" # comment\nLOG_LEVEL=debug\n',
    );
    const config = load({ PORT: "9003" });
    expect([config.api.port, config.dns.port, config.log.level]).toEqual([9003, 9002, "debug"]);
  });

  test("that cannot be read is a problem, not a silent default", () => {
    const envFile = folder;
    expect(() => loadConfig({}, { envFile })).toThrow(/cannot be read \(EISDIR\)/);
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
    expect(load(environment, false).dataDir).toBe(dataDir);
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

describe("ports set to 0", () => {
  const open = { PORT: "0", HTTP_PORT: "0", HTTPS_PORT: "0", CADDY_ADMIN_PORT: "0", INTERNAL_DNS_PORT: "0" };
  const portsOf = ({ api, caddy, dns }: Config) => [
    api.port,
    caddy.httpPort,
    caddy.httpsPort,
    caddy.adminPort,
    dns.port,
  ];

  test("are chosen once and kept, whoever listens on them at the next start", async () => {
    const config = load({ ...open, DATA_DIR: path.join(folder, "data") });
    const first = portsOf(await choosePorts(config));
    expect(new Set(first).size).toBe(5);
    for (const port of first) expect(port).toBeGreaterThan(1023);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(first[3], "127.0.0.1", resolve));
    expect(portsOf(await choosePorts(config))).toEqual(first);
    server.close();
    const file = path.join(folder, "data/ports.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
  });

  test("are added to those that were kept, and a damaged file is replaced", async () => {
    const data = { DATA_DIR: folder };
    const first = await choosePorts(load({ ...data, PORT: "0" }));
    const second = await choosePorts(load({ ...data, ...open }));
    expect(second.api.port).toBe(first.api.port);
    await writeFile(path.join(folder, "ports.json"), '{"PORT": "x"');
    expect((await choosePorts(load({ ...data, PORT: "0" }))).api.port).toBeGreaterThan(0);
  });

  test("cost nothing when there are none", async () => {
    const config = load({ DATA_DIR: path.join(folder, "none") });
    expect(await choosePorts(config)).toBe(config);
    await expect(stat(config.dataDir)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("the ways to the API", () => {
  test("are addresses, sockets and a name", () => {
    const { api } = load({
      LISTEN_ADDRESS: "127.0.0.1, ::1,unix//run/x/../gatewright.sock",
      LISTEN_SOCKET_GROUP: "ops",
      API_HOSTNAME: "API.Example.com",
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
      TLS_ISSUER: "internal",
    });
    expect(api).toMatchObject({
      addresses: ["127.0.0.1", "::1"],
      sockets: ["/run/gatewright.sock"],
      socketGroup: "ops",
      hostname: { name: "api.example.com", tls: true, redirect: true },
      loopback: true,
    });
  });

  test("by hypeman's newer names", () => {
    const given = { API__HOSTNAME: "a.test", API__TLS: "false", API__REDIRECT_HTTP: "true" };
    const { api } = load({ ...given, CADDY_LISTEN_ADDRESS: "127.0.0.1" });
    expect(api.hostname).toEqual({ name: "a.test", tls: false, redirect: false });
  });

  test("let other machines in by a name alone, and in clear with a warning", () => {
    const { api, warnings } = load({
      API_HOSTNAME: "a.test",
      API_TLS: "false",
      LISTEN_ADDRESS: "unix//run/api.sock",
      JWT_SECRET: "s".repeat(32),
    });
    expect(api.loopback).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(/API_TLS=false.*clear/)]);
  });
});
