import { once } from "node:events";
import { copyFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { identify } from "../../../src/caddy/process-identity.ts";
import type { ServerStatus } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { freePort } from "../../support/free-port.ts";
import { startSecureClients } from "../../support/secure-clients.ts";
import { startClients } from "../../support/steady-clients.ts";
import { openLines, openPackets, startLineServer, startPacketServer } from "../../support/streams.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const folder = use(() => temporaryFolder());
const backend = use(() => startBackend());
const gatewright = useGatewright(() => ({ TLS_ISSUER: "internal", CADDY_ADMIN_PORT: "" }), ["web-1"]);

/** Another build, as far as Gatewright can tell. */
async function build(name: string): Promise<string> {
  const binary = join(folder.path, name);
  await copyFile(await builtCaddy(), binary);
  return binary;
}

/** Restarts the manager with this Caddy. */
async function upgrade(binary: string): Promise<void> {
  await gatewright.stop();
  await gatewright.start({ environment: { CADDY_BIN: binary } });
}

const isAlive = (pid: number): boolean => identify(pid) !== undefined;
const draining = async (): Promise<readonly number[]> =>
  (await call<ServerStatus>(`${gatewright.url}/status`)).body.draining.map(({ pid }) => pid);

async function openSocket(url: string, host: string): Promise<WebSocket> {
  const options = { servername: host, headers: { host }, rejectUnauthorized: false };
  const socket = new WebSocket(url, options);
  await once(socket, "open");
  return socket;
}

async function echo(socket: WebSocket, text: string): Promise<string> {
  socket.send(text);
  const [message] = (await once(socket, "message")) as [Buffer];
  return message.toString();
}

it("a newer Caddy takes over without a failed request, and the older one finishes what it has", async () => {
  const host = "steady.test";
  const { http, https } = gatewright.ports;
  // Answers when it is told to.
  let finish = (): void => undefined;
  const slow = createServer((_request, response) => {
    response.write("begun ");
    finish = () => response.end("done");
  });
  slow.listen(0, "127.0.0.1");
  await once(slow, "listening");
  await gatewright.make(
    "steady",
    rule(host, "web-1", backend.port, {}, { tls: true, redirect_http: false }),
    rule(host, "web-1", backend.port, {}, { tls: false }),
    rule("slow.test", "web-1", (slow.address() as AddressInfo).port),
  );
  let secure: WebSocket | undefined;
  await until(async () => {
    secure = await openSocket(`wss://127.0.0.1:${https}/`, host).catch(() => undefined);
    return secure !== undefined;
  });
  const sockets = [secure as WebSocket, await openSocket(`ws://127.0.0.1:${http}/`, host)];
  const clients = startClients(http, host, [0, 1, 20]);
  const secureClients = startSecureClients(https, host, 4);
  const long = connect(http, "127.0.0.1");
  long.write("GET / HTTP/1.1\r\nHost: slow.test\r\nConnection: close\r\n\r\n");
  let answer = "";
  long.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  await until(() => answer.includes("begun"));

  const first = await gatewright.caddyPid();
  const pids = [first];
  for (const name of ["caddy-1", "caddy-2", "caddy-3"]) {
    await upgrade(await build(name));
    const pid = await gatewright.caddyPid();
    expect(pids).not.toContain(pid);
    expect(isAlive(pid)).toBe(true);
    pids.push(pid);
    const before = [clients.requests(), secureClients.requests()];
    await until(
      () => clients.requests() > (before[0] ?? 0) + 100 && secureClients.requests() > (before[1] ?? 0) + 100,
    );
    // The older ones have the WebSockets.
    expect(await draining()).toContain(first);
    for (const socket of sockets) expect(await echo(socket, name)).toBe(name);
  }
  finish();
  await once(long, "close");
  expect(answer).toMatch(/begun.*done/s);
  const plain = await clients.stop();
  const tls = await secureClients.stop();
  expect([plain.failures, tls.failures]).toEqual([[], []]);
  expect(plain.requests).toBeGreaterThan(500);
  for (const socket of sockets) socket.terminate();
  slow.closeAllConnections();
  slow.close();
  // Nothing is left to them.
  await until(() => pids.slice(0, -1).every((pid) => !isAlive(pid)));
  expect(await draining()).toEqual([]);
  expect(isAlive(pids.at(-1) ?? 0)).toBe(true);
}, 180_000);

it("connections and packets of layer 4 go on", async () => {
  await using tcp = await startLineServer("tcp");
  await using udp = await startPacketServer("udp");
  const [tcpPort, udpPort] = [await freePort(), await freePort()];
  await gatewright.make(
    "layer-4",
    { match: { protocol: "tcp", port: tcpPort }, target: { instance: "web-1", port: tcp.port } },
    { match: { protocol: "udp", port: udpPort }, target: { instance: "web-1", port: udp.port } },
  );
  using line = await openLines(tcpPort);
  await using packets = await openPackets(udpPort);
  expect([await line.ask("one"), await packets.ask("one")]).toEqual(["tcp one", "udp one"]);
  const pid = await gatewright.caddyPid();
  await upgrade(await build("layer-4"));
  expect(await draining()).toContain(pid);
  using later = await openLines(tcpPort);
  const answers = [await line.ask("two"), await packets.ask("two"), await later.ask("two")];
  expect(answers).toEqual(["tcp two", "udp two", "tcp two"]);
});

it("a newer Caddy that does not start leaves the older one serving", async () => {
  const host = "kept.test";
  await gatewright.make("kept", rule(host, "web-1", backend.port));
  const pid = await gatewright.caddyPid();
  const broken = join(folder.path, "broken");
  // Lists its modules as the real one does, and ends when it shall serve.
  await writeFile(broken, `#!/bin/sh\n[ "$1" = run ] && exit 3\nexec ${await builtCaddy()} "$@"\n`, {
    mode: 0o755,
  });
  const clients = startClients(gatewright.ports.http, host, [0, 1]);
  await upgrade(broken);
  expect(await gatewright.caddyPid()).toBe(pid);
  expect(gatewright.output()).toContain("the new Caddy did not take over; the old one serves on");
  const port = await freePort();
  await gatewright.make("after", rule("after.test", "web-1", backend.port, { port }));
  expect(await gatewright.reach("after.test", port)).toBe(200);
  await upgrade(await build("mended"));
  expect(await gatewright.caddyPid()).not.toBe(pid);
  const { failures } = await clients.stop();
  expect(failures).toEqual([]);
}, 120_000);
