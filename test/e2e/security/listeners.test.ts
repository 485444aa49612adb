import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { beforeAll, describe, expect, it } from "vitest";
import { askCaddy, call, rule, visit } from "../../support/api.ts";
import {
  create,
  inform,
  interfaceAddresses,
  jwtSecret,
  type Refusal,
  token,
} from "../../support/authorized.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { failedStart } from "../../support/failed-start.ts";
import { filesUnder } from "../../support/files-under.ts";
import { freePort } from "../../support/free-port.ts";
import { signToken } from "../../support/sign-token.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const secrets = {
  jwt: jwtSecret,
  cloudflare: "cloudflareTokenOfThisTest0123456789abcdef",
  header: "header-secret-of-this-test-0123456789abcdef",
};
/** Signed with the empty key, which nobody needs to know. */
const unsigned = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: "anybody" })}`;
const keyless = `${unsigned}.${createHmac("sha256", "").update(unsigned).digest("base64url")}`;

/** Open to this machine only, as a newcomer has it. */
const open = useGatewright();
/** Listens beyond loopback, with tokens. */
const guarded = useGatewright(async () => ({
  LISTEN_ADDRESS: "0.0.0.0",
  JWT_SECRET: secrets.jwt,
  TARGET_ALLOW_CIDRS: "127.0.0.2/32",
  LOG_LEVEL: "debug",
  READ_IDLE_TIMEOUT: "1s",
  ACME_EMAIL: "ops@example.com",
  ACME_CA: `https://127.0.0.1:${await freePort()}/directory`,
  ACME_DNS_PROVIDER: "cloudflare",
  CLOUDFLARE_API_TOKEN: secrets.cloudflare,
  TLS_ALLOWED_DOMAINS: "*",
}));
const backend = use(() => startBackend("loopback"));
const other = use(() => startBackend("allowed", "127.0.0.2"));

describe("Caddy's admin endpoint", () => {
  it("answers only to its own Host and Origin", async () => {
    const admin = `http://127.0.0.1:${open.ports.admin}/config/`;
    expect((await call(admin, { headers: { host: "evil.example.com" } })).status).toBe(403);
    expect((await call(admin, { headers: { origin: "http://evil.example.com" } })).status).toBe(403);
  });
});

describe("the API", () => {
  it("is not started beyond loopback without JWT_SECRET", async () => {
    const ports = { PORT: String(await freePort()), CADDY_ADMIN_PORT: String(await freePort()) };
    const { code, output } = await failedStart({
      ...ports,
      LISTEN_ADDRESS: "0.0.0.0",
      DATA_DIR: "/nonexistent/gatewright",
    });
    expect(code).toBe(1);
    expect(output).toContain("config_invalid");
    expect(output).toMatch(/JWT_SECRET.*LISTEN_ADDRESS=0\.0\.0\.0/);
  });

  it("on loopback refuses other Hosts and Origins, and still answers its own", async () => {
    const list = `${open.url}/ingresses`;
    for (const host of [
      "evil.example.com",
      `evil.example.com:${open.ports.api}`,
      "127.0.0.1.nip.io",
      "localhost@evil.example.com",
    ])
      expect([host, (await call(list, { headers: { host } })).status]).toEqual([host, 403]);
    for (const origin of [
      "http://evil.example.com",
      "null",
      `http://127.0.0.1:${open.ports.http}`,
      "file://",
    ])
      expect([origin, (await call(list, { headers: { origin } })).status]).toEqual([origin, 403]);
    expect((await call(list, { headers: { host: `localhost:${open.ports.api}` } })).status).toBe(200);
    expect((await call(list, { headers: { origin: open.url } })).status).toBe(200);
  });

  it("beyond loopback demands a token, on every address", async () => {
    for (const address of ["127.0.0.1", ...interfaceAddresses.filter((ip) => !ip.includes(":"))]) {
      const url = `http://${address}:${guarded.ports.api}/ingresses`;
      expect((await call(url)).status).toBe(401);
      expect((await call(url, { headers: { authorization: `Bearer ${keyless}` } })).status).toBe(401);
      expect((await call(url, { headers: token })).status).toBe(200);
    }
    expect(
      (await call(`${guarded.url}/instances/x`, { method: "PUT", body: { network: { ip: null } } })).status,
    ).toBe(401);
  });

  it("bounds bodies and headers", async () => {
    const large = await call(`${open.url}/ingresses`, { body: `{"name":"${"x".repeat(1024 * 1024)}"}` });
    expect([large.status, (large.body as Refusal).code]).toEqual([413, "payload_too_large"]);
    const headers = await call(`${open.url}/ingresses`, { headers: { "x-large": "x".repeat(20_000) } });
    expect(headers.status).toBe(431);
  });
});

describe("Caddy's listeners", () => {
  it("bound the time that a client takes for its headers", async () => {
    for (const site of [open, guarded]) {
      await inform(site, "slow", other.address);
      const rules = [rule("slow.example.com", "slow", other.port)];
      expect((await create(site, { name: "slow", rules })).status).toBe(201);
    }
    // One has 30 s, the other, which begins later, one second.
    const ended = await Promise.race(
      [open, guarded].map(async (site) => {
        const socket = connect(site.ports.http, "127.0.0.1");
        socket.write("GET / HTTP/1.1\r\nHost: slow.example.com\r\nX-Slow:");
        socket.resume();
        await once(socket, "close");
        return site;
      }),
    );
    expect(ended).toBe(guarded);
  });
});

describe("secrets", () => {
  const header = { header: "X-Key", value: secrets.header };

  beforeAll(async () => {
    await inform(guarded, "vault", other.address);
    const created = await create(guarded, {
      name: "vault",
      rules: [
        { ...rule("vault.example.com", "vault", other.port), request_header_auth: header },
        { ...rule("vault.example.com", "vault", other.port), tls: true, request_header_auth: header },
      ],
    });
    expect(created.status, created.text).toBe(201);
  });

  it("of a rule reach no backend, and nobody passes without them", async () => {
    const visitWith = (value: string) =>
      visit<Seen>(guarded.ports.http, "vault.example.com", "/", { headers: { "x-key": value } });
    const sha256 = createHash("sha256").update(secrets.header).digest("hex");
    for (const wrong of ["", sha256, `${secrets.header} `.repeat(2), secrets.header.toUpperCase()])
      expect((await visitWith(wrong)).status).toBe(403);
    const answer = await visitWith(secrets.header);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain(secrets.header);
  });

  it("stand in no file but their own, nor in what is printed or shown", async () => {
    // A certificate is being ordered, in vain: errors with the provider's settings reach the log.
    await until(async () =>
      (await readFile(`${guarded.dataDir}/caddy/caddy.log`, "utf8")).includes("vault.example.com"),
    );
    await guarded.stop();
    await guarded.start();
    const homes = [
      [secrets.jwt, /^$/],
      [secrets.cloudflare, /^caddy\/cloudflare\.token$/],
      [secrets.header, /^ingresses\//],
    ] as const;
    const files = (await filesUnder(guarded.dataDir)).filter(({ kind }) => kind === "file");
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        "caddy/config.json",
        "caddy/table.json",
        "caddy/caddy.log",
        "caddy/cloudflare.token",
      ]),
    );
    for (const { path, full } of files) {
      const text = await readFile(full, "latin1");
      for (const [secret, home] of homes)
        if (!home.test(path)) expect(text.includes(secret), `${path} has a secret`).toBe(false);
    }
    const shown = [
      guarded.output(),
      (await askCaddy(guarded.ports.admin, "/config/")).text,
      (await askCaddy(guarded.ports.admin, "/gatewright/state")).text,
      (await readFile(`/proc/${await guarded.caddyPid()}/cmdline`, "latin1")) +
        (await readFile(`/proc/${await guarded.caddyPid()}/environ`, "latin1")),
    ];
    for (const text of shown) for (const secret of Object.values(secrets)) expect(text).not.toContain(secret);
    expect(shown[1]).toContain("cloudflare.token");
  });

  it("and folders stand in no refusal", async () => {
    const vault = rule("vault.example.com", "vault", other.port);
    const bad = [
      call(`${guarded.url}/ingresses`, {
        headers: { authorization: `Bearer ${signToken(`${secrets.jwt}x`)}` },
      }),
      call(`${guarded.url}/ingresses`, { headers: token, body: `{"name":"x","value":"${secrets.header}"` }),
      create(guarded, { name: "x", rules: [{ ...vault, request_header_auth: { ...header, hedaer: 1 } }] }),
      create(guarded, {
        name: "x",
        rules: [{ ...vault, request_header_auth: { header: "Host", value: secrets.header } }],
      }),
      create(guarded, {
        name: "x",
        rules: [{ ...vault, request_header_auth: { header: "X", value: `{${secrets.header}}` } }],
      }),
      create(guarded, { name: "x", rules: [{ ...vault, request_header_auth: header }] }),
      create(guarded, {
        name: "x",
        rules: [rule("x.example.com", "vault", other.port, { port: backend.port })],
      }),
      create(guarded, { name: "x", rules: [rule("x.example.com", "ghost", other.port)] }),
      call(`${guarded.url}/ingresses/%E0%A4%A`, { headers: token }),
      call(`${guarded.url}/ingresses/..%2f..%2fcaddy%2fcloudflare.token`, { headers: token }),
      call(`${guarded.url}/docs/..%2f..%2fpackage.json`),
      call(`${guarded.url}/docs/%2e%2e/%2e%2e/package.json`),
    ];
    for (const answer of await Promise.all(bad)) {
      expect(answer.status, answer.text).toBeGreaterThanOrEqual(400);
      expect(answer.status, answer.text).toBeLessThan(500);
      for (const hidden of [...Object.values(secrets), guarded.dataDir, process.cwd()])
        expect(answer.text).not.toContain(hidden);
    }
  });
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
