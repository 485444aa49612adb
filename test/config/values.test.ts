import { describe, expect, test } from "vitest";
import { parseDuration } from "../../src/config/duration.ts";
import { load, problemsOf, type Variables } from "./load.ts";

describe("values", () => {
  test("of every kind are read", () => {
    const config = load({
      PORT: " 9090 ",
      LISTEN_ADDRESS: "::",
      JWT_SECRET: "s".repeat(32),
      API_ALLOWED_HOSTS: "a.example.com, 10.1.1.1,",
      DATA_DIR: "/srv/x/../data",
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
      dataDir: "/srv/data",
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
    ["METRICS_HISTOGRAMS", "some"],
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
