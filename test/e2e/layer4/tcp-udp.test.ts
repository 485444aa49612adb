import { describe, expect, it } from "vitest";
import { call } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines, openPackets, startLineServer, startPacketServer } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({}, ["vm"]);

describe("TCP", () => {
  it("takes every connection of a port to the instance", async () => {
    await using server = await startLineServer("tcp");
    const port = await freePort();
    await gatewright.make("tcp", {
      match: { protocol: "tcp", port },
      target: { instance: "vm", port: server.port },
    });
    using client = await openLines(port);
    expect(await client.ask("hello")).toBe("tcp hello");
    expect(await client.ask("again")).toBe("tcp again");
  });

  it("answers the rule with its protocol, and takes it back as it was answered", async () => {
    const port = await freePort();
    const { id } = await gatewright.make("wire", {
      match: { protocol: "tcp", port },
      target: { instance: "vm", port: 5432 },
    });
    const url = `${gatewright.url}/ingresses/${id}`;
    const { body } = await call<{ rules: unknown }>(url);
    expect(body.rules).toEqual([
      {
        match: { protocol: "tcp", hostname: "*", port },
        target: { instance: "vm", port: 5432 },
        tls: false,
        redirect_http: false,
      },
    ]);
    expect((await call(url, { method: "PUT", body })).status).toBe(200);
  });
});

describe("UDP", () => {
  it("finds an instance that has moved, also for a client that goes on from the same port", async () => {
    await using old = await startPacketServer("old", "127.0.0.51");
    await using fresh = await startPacketServer("new", "127.0.0.52", old.port);
    await gatewright.put("mover", "127.0.0.51");
    const port = await freePort();
    await gatewright.make("udp-move", {
      match: { protocol: "udp", port },
      target: { instance: "mover", port: old.port },
    });
    await using client = await openPackets(port);
    expect(await client.ask("a")).toBe("old a");
    await gatewright.put("mover", "127.0.0.52");
    await until(async () => (await client.ask("b", 500)) === "new b", 10_000);
    expect(fresh.clients.size).toBe(1);
  });

  it("takes packets of a port to the instance, and its answers to each client", async () => {
    await using server = await startPacketServer("udp");
    const port = await freePort();
    await gatewright.make("udp", {
      match: { protocol: "udp", port },
      target: { instance: "vm", port: server.port },
    });
    await using one = await openPackets(port);
    await using other = await openPackets(port);
    expect(await one.ask("a")).toBe("udp a");
    expect(await other.ask("b")).toBe("udp b");
    expect(await one.ask("c")).toBe("udp c");
    expect(server.clients.size).toBe(2);
  });
});
