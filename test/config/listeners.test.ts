import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, choosePorts } from "../../src/config.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";
import { load, type Variables } from "./load.ts";

const folder = use(temporaryFolder);

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
    const config = load({ ...open, DATA_DIR: join(folder.path, "data") });
    const first = portsOf(await choosePorts(config));
    expect(new Set(first).size).toBe(5);
    for (const port of first) expect(port).toBeGreaterThan(1023);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(first[3], "127.0.0.1", resolve));
    expect(portsOf(await choosePorts(config))).toEqual(first);
    server.close();
    const file = join(folder.path, "data/ports.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  });

  test("are added to those that were kept, and a damaged file is replaced", async () => {
    const data = { DATA_DIR: folder.path };
    const first = await choosePorts(load({ ...data, PORT: "0" }));
    const second = await choosePorts(load({ ...data, ...open }));
    expect(second.api.port).toBe(first.api.port);
    await writeFile(join(folder.path, "ports.json"), '{"PORT": "x"');
    expect((await choosePorts(load({ ...data, PORT: "0" }))).api.port).toBeGreaterThan(0);
  });

  test("cost nothing when there are none", async () => {
    const config = load({ DATA_DIR: join(folder.path, "none") });
    expect(await choosePorts(config)).toBe(config);
    await expect(stat(config.dataDir)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
