import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { DnsConnection, encodeAsk, see } from "../support/dns-client.ts";
import { until } from "../support/until.ts";
import { address, start, useZone } from "./zone.ts";

const zone = useZone();

describe("TCP", () => {
  it("answers several questions of one connection, also in one segment and in pieces", async () => {
    const connection = await DnsConnection.open(zone.server.port);
    const ask = (id: number): Buffer => {
      const message = encodeAsk({ name: "web-1.hypeman.internal", id });
      return Buffer.concat([Buffer.from([0, message.length]), message]);
    };
    connection.socket.write(Buffer.concat([ask(1), ask(2), ask(3)]));
    for (const byte of ask(4)) connection.socket.write(Buffer.from([byte]));
    for (const id of [1, 2, 3, 4])
      expect(see(await connection.receive())).toMatchObject({ id, answers: [address] });
    connection.socket.end();
    await once(connection.socket, "close");
  });

  it("answers a client that has closed its side", async () => {
    const connection = await DnsConnection.open(zone.server.port);
    connection.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    connection.socket.end();
    expect(see(await connection.receive()).answers).toEqual([address]);
  });

  it("closes idle connections, also one whose client never closes", async () => {
    const other = await start({ idleTimeoutMs: 100 });
    const connection = await DnsConnection.open(other.port, true);
    await once(connection.socket, "end");
    const failed = once(connection.socket, "error");
    // Only a connection that the server has wholly given up answers data with a reset; this is never a whole message.
    await until(() => {
      if (!connection.socket.destroyed) connection.socket.write(Buffer.from([0xff]));
      return connection.socket.destroyed;
    });
    expect((await failed).at(0)).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
    await other.close();
  });

  it("E8: closes connections that send bytes and no message", async () => {
    const other = await start({ connectionsAtMost: 3, idleTimeoutMs: 200 });
    const slow = await Promise.all([1, 2, 3].map(() => DnsConnection.open(other.port)));
    const trickles = slow.map(({ socket }) => {
      socket.on("error", () => undefined);
      socket.write(Buffer.from([0x0f]));
      return setInterval(() => socket.write(Buffer.alloc(1)), 20);
    });
    await Promise.all(slow.map(({ socket }) => until(() => socket.destroyed)));
    for (const trickle of trickles) clearInterval(trickle);
    const next = await DnsConnection.open(other.port);
    next.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see(await next.receive()).answers).toEqual([address]);
    await other.close();
  });

  it("C9: closes a connection that announces a message longer than any question", async () => {
    const connection = await DnsConnection.open(zone.server.port);
    connection.socket.on("error", () => undefined);
    connection.socket.write(Buffer.from([0xff, 0xff]));
    await until(() => connection.socket.destroyed);
  });

  it("takes 256 connections unless told otherwise", async () => {
    const open = await Promise.all(Array.from({ length: 256 }, () => DnsConnection.open(zone.server.port)));
    const extra = await DnsConnection.open(zone.server.port);
    await Promise.race([once(extra.socket, "close"), once(extra.socket, "error")]);
    const last = open.at(-1);
    last?.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see((await last?.receive()) as Buffer).answers).toEqual([address]);
    for (const { socket } of open) socket.destroy();
  });

  it("answers a message of 4096 bytes and closes for a longer one", async () => {
    const ask = (bytes: number): Buffer => {
      const options = Buffer.alloc(bytes - encodeAsk({ name: "web-1.hypeman.internal", edns: {} }).length);
      options.writeUInt16BE(options.length - 4, 2);
      return encodeAsk({ name: "web-1.hypeman.internal", edns: { options } });
    };
    const connection = await DnsConnection.open(zone.server.port);
    connection.send(ask(4096));
    expect(see(await connection.receive()).answers).toEqual([address]);
    connection.send(ask(4097));
    await expect(connection.receive()).rejects.toThrow("ended");
  });

  it("closes connections above the limit and keeps the others", async () => {
    const other = await start({ connectionsAtMost: 3, idleTimeoutMs: 3_600_000 });
    const kept = await Promise.all([1, 2, 3].map(() => DnsConnection.open(other.port)));
    const extra = await DnsConnection.open(other.port);
    await Promise.race([once(extra.socket, "close"), once(extra.socket, "error")]);
    for (const connection of kept) {
      connection.send(encodeAsk({ name: "web-1.hypeman.internal" }));
      expect(see(await connection.receive()).answers).toEqual([address]);
    }
    // Closing the server ends them; their idle time would be an hour.
    await other.close();
    await Promise.all(kept.map((connection) => until(() => connection.socket.destroyed)));
  });

  it("cuts off a client that asks without reading", async () => {
    const connection = await DnsConnection.open(zone.server.port);
    connection.socket.pause();
    connection.socket.on("error", () => undefined);
    const ask = encodeAsk({ name: "pool-2000.hypeman.internal" });
    const many = Buffer.concat(
      Array.from({ length: 200 }, () => Buffer.concat([Buffer.from([0, ask.length]), ask])),
    );
    await until(() => {
      if (!connection.socket.destroyed) connection.socket.write(many);
      return connection.socket.destroyed;
    });
    expect((await zone.overUdp({ name: "web-1.hypeman.internal" })).answers).toEqual([address]);
  });

  it("outlives connections that are reset, and keeps no timer of any that has ended", async () => {
    const other = await start({ idleTimeoutMs: 3_600_000 });
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    const open = await Promise.all(Array.from({ length: 20 }, () => DnsConnection.open(other.port)));
    for (const { socket } of open.slice(1)) {
      socket.write(Buffer.from([0, 40, 1]));
      socket.resetAndDestroy();
    }
    open[0]?.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see((await open[0]?.receive()) as Buffer).answers).toEqual([address]);
    open[0]?.socket.destroy();
    await until(() => timers() <= before);
    await other.close();
  });

  it("ends a connection that sends less than a header", async () => {
    const connection = await DnsConnection.open(zone.server.port);
    connection.send(Buffer.from([1, 2, 3]));
    connection.socket.on("error", () => undefined);
    await until(() => connection.socket.destroyed);
    expect((await zone.overTcp({ name: "web-1.hypeman.internal" })).answers).toEqual([address]);
  });
});
