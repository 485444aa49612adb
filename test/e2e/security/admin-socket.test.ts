import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { askCaddy, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { failedStart } from "../../support/failed-start.ts";
import { freePort } from "../../support/free-port.ts";
import { startClients } from "../../support/steady-clients.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend());
/** As without the variable: an empty one counts as missing. */
const bySocket = { CADDY_ADMIN_PORT: "" };
const site = useGatewright(bySocket, ["web-1"]);

const socket = (): string => join(site.dataDir, "caddy/admin.sock");

/** Status of a question to the admin endpoint, over its socket. */
const ask = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { socketPath: socket(), path, headers: { origin: "http://localhost" }, agent: false };
    request(options, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });

/** How many TCP sockets Caddy listens on; see proc_pid_net(5). */
async function listening(): Promise<number> {
  const pid = await site.caddyPid();
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/${pid}/net/${name}`, "utf8")),
  );
  const rows = tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)));
  const inodes = new Set(rows.filter(([, , , state]) => state === "0A").map((row) => `socket:[${row[9]}]`));
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.filter((link) => inodes.has(link)).length;
}

it("E4: the admin endpoint is a socket in DATA_DIR that only its owner opens; no TCP port is", async () => {
  expect((await stat(socket())).mode & 0o777).toBe(0o600);
  expect((await stat(join(site.dataDir, "caddy"))).mode & 0o777).toBe(0o700);
  expect(await ask("/gatewright/state")).toBe(200);
  expect(await listening()).toBe(0);
  expect(site.output()).not.toMatch(/every user of this machine|admin endpoint on open/);
});

it("E4: over the socket all goes as before: changes, reloads, a Caddy that is killed", async () => {
  await site.make("app", rule("app.example.com", "web-1", backend.port));
  expect(await site.reach("app.example.com")).toBe(200);
  const pid = await site.caddyPid();
  process.kill(pid, "SIGKILL");
  await until(async () => (await site.reach("app.example.com")) === 200 && (await site.caddyPid()) !== pid);
  const port = await freePort();
  await site.make("port", rule("port.example.com", "web-1", backend.port, { port }));
  expect(await site.reach("port.example.com", port)).toBe(200);
  expect((await stat(socket())).mode & 0o777).toBe(0o600);
});

it("E4: with CADDY_ADMIN_PORT it is a TCP port, of which the start warns; a Caddy that runs moves over, and back", async () => {
  const pid = await site.caddyPid();
  const clients = startClients(site.ports.http, "app.example.com", [1, 5]);
  await site.stop();
  await site.start({ environment: { CADDY_ADMIN_PORT: String(site.ports.admin) } });
  expect(site.output()).toMatch(/admin endpoint .*127\.0\.0\.1:\d+.*every user of this machine/);
  expect((await askCaddy(site.ports.admin, "/gatewright/state")).status).toBe(200);
  await expect(ask("/gatewright/state")).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  await site.stop();
  await site.start();
  expect(await ask("/gatewright/state")).toBe(200);
  await expect(askCaddy(site.ports.admin, "/gatewright/state")).rejects.toThrow(/ECONNREFUSED/);
  const { failures, requests } = await clients.stop();
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(100);
  expect(await site.caddyPid(), "the same process served all the time").toBe(pid);
});

it("E4: a DATA_DIR that is too long for a socket is told of before anything is made", async () => {
  const long = join(site.dataDir, "x".repeat(90));
  const { code, output } = await failedStart({ DATA_DIR: long, ...bySocket });
  expect(code).toBe(1);
  expect(output).toMatch(/DATA_DIR.*107 bytes.*CADDY_ADMIN_ADDRESS/);
  await expect(stat(long)).rejects.toThrow(/ENOENT/);
});
