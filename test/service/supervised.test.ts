import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createIngress, putInstance, rule, visit } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { startGatewright } from "../support/gatewright.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../bin/gatewright.mjs");
const hasNotify = await promisify(execFile)("systemd-notify", ["--version"]).then(
  () => true,
  () => false,
);
if (!hasNotify) console.warn("SKIPPED: systemd-notify is not installed");

/** Node has no datagram sockets of Unix; this prints what arrives at one. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("LISTENING", flush=True)
while True:
    print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

test.skipIf(!hasNotify)("systemd is told when it serves, that it lives, and that it stops", async () => {
  await using folder = await temporaryFolder();
  const socket = join(folder.path, "notify");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (chunk: Buffer) => (heard += chunk));
  try {
    await until(() => heard.includes("LISTENING"));
    await using gatewright = await startGatewright({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "900000" });
    const pid = gatewright.process().pid;
    await until(() => heard.includes("READY=1"));
    expect(heard).toMatch(new RegExp(`READY=1.*MAINPID=${pid}|MAINPID=${pid}.*READY=1`));
    await until(() => heard.split("WATCHDOG=1").length > 3);
    expect(heard).not.toContain("STOPPING");
    await gatewright.stop("SIGTERM");
    await until(() => heard.includes("STOPPING=1"));
  } finally {
    listener.kill();
    await once(listener, "exit");
  }
});

test("SIGTERM to the process that a supervisor sees ends Gatewright alone; the next one finds Caddy, and stop --caddy ends it", async () => {
  await using backend = await startBackend("behind");
  await using gatewright = await startGatewright();
  const { dataDir, ports, url } = gatewright;
  await putInstance(url, "web-1", "127.0.0.1");
  await createIngress({ url, name: "shop", rules: [rule("shop.example.com", "web-1", backend.port)] });
  const caddy = await gatewright.caddyPid();
  const visits = () => visit(ports.http, "shop.example.com").then(({ status }) => status);

  await gatewright.stop("SIGTERM");
  expect(await visits()).toBe(200);
  await gatewright.start();
  expect(await gatewright.caddyPid()).toBe(caddy);
  expect(await visits()).toBe(200);

  const env = { PATH: process.env["PATH"], DATA_DIR: dataDir, HTTP_PORT: String(ports.http) };
  const { stderr } = await promisify(execFile)(process.execPath, [program, "stop", "--caddy", "--yes"], {
    env,
  });
  expect(stderr).toContain("nothing is served any more");
  await gatewright.ended();
  await expect(visits()).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("with CADDY_STOP_ON_SHUTDOWN the same signal ends Caddy too", async () => {
  await using gatewright = await startGatewright({ CADDY_STOP_ON_SHUTDOWN: "true" });
  const caddy = await gatewright.caddyPid();
  await gatewright.stop("SIGTERM");
  expect(() => process.kill(caddy, 0)).toThrow("ESRCH");
});
