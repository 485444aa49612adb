import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { call, createIngress, rule, visit } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { filesUnder } from "../../support/files-under.ts";
import { freePort } from "../../support/free-port.ts";
import { startHypeman } from "../../support/hypeman-server.ts";
import { instanceFrom } from "../../support/instances.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend());

/** Certificates can be ordered, though from nobody. */
const acme = async (): Promise<NodeJS.ProcessEnv> => ({
  ACME_EMAIL: "ops@example.com",
  ACME_CA: `https://127.0.0.1:${await freePort()}/directory`,
  TLS_ALLOWED_DOMAINS: "*",
});

/** Nothing that was begun and never finished; only while nobody is writing. */
function expectNothingHalfMade(paths: readonly string[]): void {
  const isHalfMade = /\.(tmp|temp|new|part|partial|swp)\b|~$/;
  expect(paths.filter((path) => isHalfMade.test(path))).toEqual([]);
}

async function expectPrivate(dataDir: string): Promise<readonly string[]> {
  const found = await filesUnder(dataDir);
  const modes = found.map(({ path, kind, mode }) => `${kind} ${mode.toString(8)} ${path}`);
  const wrong = found.filter(({ path, kind, mode }) => {
    // What lies in the folders of binaries is no secret, and the folder around them is private.
    if (/^system(\/|$)/.test(path)) return false;
    // The Unix socket for a newer Caddy (docs/caddy.md).
    if (path === "caddy/handover") return kind !== "other" || mode !== 0o600;
    return kind === "file" ? mode !== 0o600 : kind === "folder" ? mode !== 0o700 : true;
  });
  expect(
    wrong.map(({ path, mode }) => `${path} ${mode.toString(8)}`),
    modes.join("\n"),
  ).toEqual([]);
  return found.map(({ path }) => path);
}

describe("the data folder", () => {
  const gatewright = useGatewright(acme, ["web-1"]);

  it("has private files and folders only after use, and nothing half-made", async () => {
    const { url } = gatewright;
    const make = (name: string, more: object = {}) =>
      createIngress({ url, name, rules: [rule(`${name}.example.com`, "web-1", backend.port, {}, more)] });
    for (let index = 0; index < 10; index += 1) expect((await make(`one-${index}`)).status).toBe(201);
    expect((await make("secure", { tls: true })).status).toBe(201);
    expect((await make("refused", { tls: 1 })).status).toBe(400);
    await call(`${url}/ingresses/one-1`, { method: "PATCH", body: { tags: { a: "b" } } });
    await call(`${url}/ingresses/one-2`, { method: "DELETE" });
    await call(`${url}/instances/other`, { method: "PUT", body: { network: { ip: null } } });
    await call(`${url}/instances/other`, { method: "DELETE" });
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await until(async () => (await make("after-caddy")).status === 201);
    await gatewright.stop("SIGKILL");
    await gatewright.start();
    expect((await visit<Seen>(gatewright.ports.http, "one-0.example.com")).status).toBe(200);
    const running = await expectPrivate(gatewright.dataDir);
    await gatewright.stop();
    const paths = await expectPrivate(gatewright.dataDir);
    expectNothingHalfMade(paths);
    const ids = (await Promise.all([running, paths])).map((list) =>
      list.filter((path) => /^ingresses\/.*\.json$/.test(path)),
    );
    expect(ids[1]?.length).toBe(11);
    expect(paths).toEqual(
      expect.arrayContaining(["caddy/config.json", "caddy/table.json", "caddy/caddy.log", "caddy/caddy.pid"]),
    );
    await gatewright.start();
  });

  it("holds what an operator may read: an ingress a file, as the API answers it", async () => {
    const { body } = await call<Ingress>(`${gatewright.url}/ingresses/one-0`);
    await gatewright.stop();
    const stored = JSON.parse(
      await readFile(join(gatewright.dataDir, "ingresses", `${body.id}.json`), "utf8"),
    ) as Ingress;
    expect(stored).toEqual(body);
    await gatewright.start();
  });

  it("is made private where it was open before", async () => {
    await gatewright.stop();
    for (const path of ["", "ingresses", "instances", "caddy"])
      await chmod(join(gatewright.dataDir, path), 0o755);
    for (const { full, kind } of await filesUnder(gatewright.dataDir))
      if (kind === "file") await chmod(full, 0o644);
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await gatewright.start();
    const open = (await filesUnder(gatewright.dataDir))
      .filter(({ mode }) => (mode & 0o077) !== 0)
      .map(({ path }) => path);
    // Caddy's storage and the binaries keep the modes that they have; the folders around them are private.
    expect(open.filter((path) => !/^(caddy\/data|system)\//.test(path))).toEqual([]);
  });
});

describe("a hypeman data folder", () => {
  const folder = use(temporaryFolder);
  const hypeman = use(() => startHypeman("hypeman-token"));
  const http = use(async () => ({ port: await freePort() }));

  const stored = (id: string, name: string, rules: readonly object[], more: object = {}) => ({
    id,
    name,
    rules,
    created_at: "2026-01-02T03:04:05Z",
    ...more,
  });
  const documents = () => [
    stored("aaaaaaaaaaaaaaaaaaaaaaa1", "plain", [
      {
        match: { hostname: "plain.example.com", port: http.port },
        target: { instance: "vm-1", port: backend.port },
      },
    ]),
    stored(
      "aaaaaaaaaaaaaaaaaaaaaaa2",
      "pattern",
      [
        {
          match: { hostname: "{instance}.dev.example.com", port: http.port },
          target: { instance: "{instance}", port: backend.port },
        },
      ],
      { tags: { team: "web" } },
    ),
    stored("aaaaaaaaaaaaaaaaaaaaaaa3", "secure", [
      {
        match: { hostname: "secure.example.com", port: 80 },
        target: { instance: "vm-1", port: backend.port },
        tls: true,
        redirect_http: true,
      },
    ]),
  ];

  beforeAll(async () => {
    const dataDir = folder.path;
    await chmod(dataDir, 0o755);
    for (const path of ["ingresses", "caddy", "caddy/data", "system/binaries/caddy/v2.10.2/x86_64"])
      await mkdir(join(dataDir, path), { recursive: true, mode: 0o755 });
    for (const document of documents())
      await writeFile(join(dataDir, "ingresses", `${document.id}.json`), JSON.stringify(document, null, 2), {
        mode: 0o644,
      });
    // What a hypeman leaves behind: its configuration, an old pid, its log, its Caddy.
    await writeFile(join(dataDir, "caddy/config.json"), '{"admin":{"listen":"127.0.0.1:1"},"apps":{}}', {
      mode: 0o600,
    });
    await writeFile(join(dataDir, "caddy/caddy.pid"), "4194303", { mode: 0o644 });
    await writeFile(join(dataDir, "caddy/caddy.log"), '{"level":"info","msg":"old"}\n', { mode: 0o644 });
    await writeFile(join(dataDir, "system/binaries/caddy/v2.10.2/x86_64/caddy"), "#!/bin/false\n", {
      mode: 0o755,
    });
    hypeman.instances = [instanceFrom({ name: "vm-1", ip: "127.0.0.1" })];
  });

  const gatewright = useGatewright(async () => ({
    ...(await acme()),
    DATA_DIR: folder.path,
    HTTP_PORT: String(http.port),
    INSTANCE_SOURCE: "hypeman",
    HYPEMAN_URL: hypeman.url,
    HYPEMAN_TOKEN: "hypeman-token",
  }));

  it("is served as it is", async () => {
    const { https } = gatewright.ports;
    const list = (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body;
    const ports = list.map(({ id, name, rules, created_at }) => [id, name, rules[0]?.match.port, created_at]);
    expect(ports).toEqual([
      ["aaaaaaaaaaaaaaaaaaaaaaa1", "plain", http.port, "2026-01-02T03:04:05Z"],
      ["aaaaaaaaaaaaaaaaaaaaaaa2", "pattern", http.port, "2026-01-02T03:04:05Z"],
      ["aaaaaaaaaaaaaaaaaaaaaaa3", "secure", https, "2026-01-02T03:04:05Z"],
    ]);
    expect((await visit(http.port, "plain.example.com")).status).toBe(200);
    expect((await visit(http.port, "vm-1.dev.example.com")).status).toBe(200);
    const redirect = await visit(http.port, "secure.example.com", "/x?y");
    expect([redirect.status, redirect.headers["location"]]).toEqual([
      301,
      `https://secure.example.com:${https}/x?y`,
    ]);
    expect((await call<{ reasons: string[] }>(`${gatewright.url}/ready`)).body.reasons).toEqual([]);
  });

  it("keeps the files that nobody changes word for word, and becomes private", async () => {
    for (const document of documents()) {
      const text = await readFile(join(folder.path, "ingresses", `${document.id}.json`), "utf8");
      expect(text).toBe(JSON.stringify(document, null, 2));
    }
    await expectPrivate(folder.path);
  });

  it("takes changes: its names are taken, its ingresses can be changed and deleted", async () => {
    const { url } = gatewright;
    const twice = await createIngress({
      url,
      name: "plain",
      rules: [rule("x.example.com", "vm-1", backend.port)],
    });
    expect(twice.status).toBe(409);
    const stolen = await createIngress({
      url,
      name: "thief",
      rules: [rule("plain.example.com", "vm-1", backend.port, { port: http.port })],
    });
    expect((stolen.body as unknown as { code: string }).code).toBe("hostname_in_use");
    expect(
      (await call(`${url}/ingresses/plain`, { method: "PATCH", body: { tags: { new: "1" } } })).status,
    ).toBe(200);
    expect((await call(`${url}/ingresses/pattern`, { method: "DELETE" })).status).toBe(204);
    await gatewright.stop();
    await gatewright.start();
    const list = (await call<Ingress[]>(`${url}/ingresses`)).body;
    expect(list.map(({ name, tags }) => [name, tags])).toEqual([
      ["plain", { new: "1" }],
      ["secure", undefined],
    ]);
    expect((await visit(http.port, "vm-1.dev.example.com")).status).toBe(404);
  });
});
