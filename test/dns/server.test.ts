import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import { DnsConnection, encodeAsk, exchangeUdp, see } from "../support/dns-client.ts";
import { freePort } from "../support/free-port.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { start, useZone } from "./zone.ts";

const zone = useZone();

it("survives a fault of the resolver, and logs it", async () => {
  const logger = recordingLogger();
  const other = await start({ logger });
  expect(await exchangeUdp(other.port, encodeAsk({ name: "fault.hypeman.internal" }), 200)).toBeUndefined();
  const connection = await DnsConnection.open(other.port);
  connection.send(encodeAsk({ name: "fault.hypeman.internal" }));
  await until(() => connection.socket.destroyed);
  expect(await exchangeUdp(other.port, encodeAsk({ name: "web-1.hypeman.internal" }))).toBeDefined();
  const entry = {
    level: "error",
    message: "a DNS question could not be answered",
    fields: { error: new Error("a fault of the resolver") },
  };
  expect(logger.entries).toMatchObject([entry, entry]);
  await other.close();
});

it("asks a resolver that tells of no changes each time", async () => {
  let ip = "10.0.0.1";
  const changing = { resolve: (): Resolution => ({ kind: "addresses", addresses: [ip] }) };
  const other = await start({ resolver: changing });
  for (ip of ["10.0.0.1", "10.0.0.2"]) {
    const answer = await exchangeUdp(other.port, encodeAsk({ name: "vm.hypeman.internal" }));
    expect(see(answer as Buffer).answers).toEqual([`vm.hypeman.internal 5 1 1 ${ip}`]);
  }
  await other.close();
});

describe("listening", () => {
  it("has UDP and TCP on one port that it chose", async () => {
    expect(zone.server.port).toBeGreaterThan(0);
    expect(zone.server.address).toBe("127.0.0.1");
  });

  it("refuses a port whose UDP or TCP side is taken, and leaves nothing open", async () => {
    const port = await freePort();
    const udp = createSocket("udp4").bind({ port, address: "127.0.0.1", exclusive: true });
    await once(udp, "listening");
    const failure = await start({ port }).catch((error: unknown) => error);
    expect(isGatewrightError(failure, "address_in_use") && failure.message).toContain(`127.0.0.1:${port}`);
    udp.close();
    await once(udp, "close");
    const tcp = createServer().listen({ port, host: "127.0.0.1", exclusive: true });
    await once(tcp, "listening");
    expect(isGatewrightError(await start({ port }).catch((error: unknown) => error), "address_in_use")).toBe(
      true,
    );
    tcp.close();
    await once(tcp, "close");
    const free = await start({ port });
    expect(free.port).toBe(port);
    await free.close();
    await (await start({ port })).close();
  });

  it.each([
    ["192.0.2.1", "192.0.2.1:0"],
    ["2001:db8::1", "[2001:db8::1]:0"],
  ])("refuses an address of another machine: %s", async (address, where) => {
    const failure = await start({ address }).catch((error: unknown) => error);
    expect(isGatewrightError(failure, "address_unavailable") && failure.message).toBe(
      `the DNS server cannot listen on ${where}: EADDRNOTAVAIL; set INTERNAL_DNS_ADDRESS and INTERNAL_DNS_PORT`,
    );
  });

  it("serves another zone and TTL on IPv6", async () => {
    const other = await start({ address: "::1", zone: "VM.Example.", ttlSeconds: 60 });
    const socket = createSocket("udp6");
    socket.send(encodeAsk({ name: "web-1.vm.example" }), other.port, "::1");
    const [answer] = (await once(socket, "message")) as [Buffer];
    expect(see(answer).answers).toEqual(["web-1.vm.example 60 1 1 10.0.0.5"]);
    socket.close();
    await other.close();
  });
});
