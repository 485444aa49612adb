import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { askCaddy, call, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import {
  type LineClient,
  openLines,
  openPackets,
  openTlsLines,
  startLineServer,
  startPacketServer,
} from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({}, ["vm"]);

/** Version of the configuration that runs. */
async function configVersion(): Promise<string> {
  return (await askCaddy<{ config: string }>(gatewright.ports.admin, "/gatewright/state")).body.config;
}

/** Resident memory of Caddy, in bytes. */
async function caddyMemory(): Promise<number> {
  const status = await readFile(`/proc/${await gatewright.caddyPid()}/status`, "utf8");
  return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) * 1024;
}

describe("connections through changes of others", () => {
  it("holds 100 TCP connections and loses no UDP answer through 50 changes that reload Caddy", async () => {
    await using server = await startLineServer("tcp");
    await using packets = await startPacketServer("udp");
    const { certificate: cert, key } = await (await createTestAuthority()).issue({ names: ["keep.test"] });
    await using secure = await startLineServer("tls", { tls: { cert, key } });
    const [port, named] = [await freePort(), await freePort()];
    await gatewright.make("keep-tcp", {
      match: { protocol: "tcp", port },
      target: { instance: "vm", port: server.port },
    });
    await gatewright.make("keep-udp", {
      match: { protocol: "udp", port },
      target: { instance: "vm", port: packets.port },
    });
    await gatewright.make("keep-tls", {
      match: { protocol: "tls", hostname: "keep.test", port: named },
      target: { instance: "vm", port: secure.port },
    });
    const clients: LineClient[] = [];
    for (let index = 0; index < 50; index += 1) {
      clients.push(await openLines(port));
      clients.push(await openTlsLines({ port: named, servername: "keep.test" }));
    }
    await using udp = await openPackets(port);
    let asked = 0;
    let answered = 0;
    let going = true;
    const traffic = (async () => {
      while (going) {
        asked += 1;
        if ((await udp.ask(`${asked}`, 1_000)) === `udp ${asked}`) answered += 1;
      }
    })();
    const versions = new Set<string>();
    for (let change = 0; change < 25; change += 1) {
      const { id } = await gatewright.make(`other-${change}`, {
        match: { hostname: `other-${change}.test`, port: await freePort() },
        target: { instance: "vm", port: 9 },
      });
      versions.add(await configVersion());
      const gone = await call(`${gatewright.url}/ingresses/${id}`, { method: "DELETE" });
      expect(gone.status).toBe(204);
    }
    expect(versions.size).toBeGreaterThan(20);
    const answers = await Promise.all(clients.map((client, index) => client.ask(`${index}`)));
    expect(answers.map((answer) => answer.replace(/^\w+ /, ""))).toEqual(
      clients.map((_, index) => `${index}`),
    );
    expect([server.total(), secure.total()]).toEqual([50, 50]);
    going = false;
    await traffic;
    expect(asked).toBeGreaterThan(50);
    expect(answered).toBe(asked);
    // One session all the time: the target saw one client.
    expect(packets.clients.size).toBe(1);
    for (const client of clients) client[Symbol.dispose]();
  });
});

describe("clients that do not say where they go", () => {
  it("are closed in time, 1,000 of them, in bounded memory, while others are served", async () => {
    await using server = await startLineServer("tcp");
    const { certificate: cert, key } = await (await createTestAuthority()).issue({ names: ["ok.test"] });
    await using secure = await startLineServer("tls", { tls: { cert, key } });
    await using backend = await startBackend();
    const port = await freePort();
    await gatewright.make("flood", {
      match: { protocol: "tls", hostname: "ok.test", port },
      target: { instance: "vm", port: secure.port },
    });
    await gatewright.make("flood-http", {
      match: { hostname: "web.test", port: gatewright.ports.http },
      target: { instance: "vm", port: backend.port },
    });
    const before = await caddyMemory();
    const kinds = ["silent", "half a record", "a broken hello", "no TLS"] as const;
    const first = [
      undefined,
      Buffer.from("16030110000100", "hex"),
      Buffer.from("1603010005010000ffff00", "hex"),
      "SSH-2.0-nobody\r\n",
    ];
    const slow: Socket[] = [];
    /** How long the connections of each kind lasted. */
    const lasted = kinds.map((): number[] => []);
    const closed = (...which: readonly number[]) => which.flatMap((kind) => lasted[kind] ?? []).length;
    const open = (index: number): void => {
      const kind = index % 4;
      const socket = connect(port, "127.0.0.1");
      const began = performance.now();
      socket.on("error", () => undefined);
      socket.on("data", () => undefined);
      socket.on("close", () => lasted[kind]?.push(performance.now() - began));
      if (kind === 1) slow.push(socket);
      const bytes = first[kind];
      if (bytes !== undefined) socket.write(bytes);
    };
    // One byte every now and then does not buy time.
    const dripping = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write(Buffer.from([0]));
    }, 500);
    for (let round = 1; round <= 20; round += 1) {
      for (let index = 0; index < 50; index += 1) open(index);
      using client = await openTlsLines({ port, servername: "ok.test" });
      expect(await client.ask("x")).toBe("tls x");
      expect((await visit(gatewright.ports.http, "web.test")).status).toBe(200);
      expect(closed(0, 1), "others are served while some are waited for").toBeLessThan(round * 26);
    }
    await until(() => closed(2, 3) === 480);
    expect((await caddyMemory()) - before).toBeLessThan(100 << 20);
    await until(() => closed(0, 1, 2, 3) === 1_000);
    clearInterval(dripping);
    const longest = lasted.map((times) => Math.max(...times));
    expect((longest[1] ?? 0) / (longest[0] ?? 0)).toBeLessThan(1.5);
    expect([server.total(), secure.total()]).toEqual([0, 20]);
  });
});
