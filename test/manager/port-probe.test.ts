import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { probe } from "../../src/manager/port-probe.ts";
import { startBackend } from "../support/backend.ts";
import { freePort } from "../support/free-port.ts";

const probePort = (address: string, port: number): Promise<void> => probe({ network: "tcp", address, port });

describe("probe", () => {
  it("resolves for a free port and leaves it free", async () => {
    const port = await freePort();
    await probePort("127.0.0.1", port);
    await using backend = await startBackend("after", "127.0.0.1", port);
    expect(backend.port).toBe(port);
  });

  it("names a port that somebody listens on", async () => {
    await using backend = await startBackend();
    await expect(probePort("127.0.0.1", backend.port)).rejects.toMatchObject({ code: "port_in_use" });
    await expect(probePort("0.0.0.0", backend.port)).rejects.toMatchObject({ code: "port_in_use" });
  });

  it("names what of Gatewright itself has it", async () => {
    await using backend = await startBackend();
    const wanted = { network: "tcp", address: "0.0.0.0", port: backend.port } as const;
    const own = [
      { what: "the API (PORT)", network: "tcp", address: "127.0.0.1", port: backend.port },
    ] as const;
    const message = `port already in use: port ${backend.port} is that of Gatewright itself, of the API (PORT); choose another port`;
    await expect(probe(wanted, own)).rejects.toMatchObject({ code: "port_in_use", message });
    await expect(probe(wanted, [{ ...own[0], network: "udp" }])).rejects.toMatchObject({
      message: expect.stringContaining("another process"),
    });
  });

  it.each(["127.0.0.1", "::1"])("tells the networks apart on %s", async (address) => {
    const port = await freePort();
    const socket = createSocket(address === "::1" ? "udp6" : "udp4").bind({ address, port, exclusive: true });
    await once(socket, "listening");
    try {
      await expect(probe({ network: "udp", address, port })).rejects.toMatchObject({
        code: "port_in_use",
        message: `port already in use: port ${port} is already bound by another process; stop it or choose another port`,
      });
      await probe({ network: "tcp", address, port });
    } finally {
      socket.close();
    }
    await once(socket, "close");
    await probe({ network: "udp", address, port });
    await probe({ network: "udp", address, port });
  });

  it("names an address that the machine does not have", async () => {
    for (const network of ["tcp", "udp"] as const) {
      const port = await freePort();
      await expect(probe({ network, address: "192.0.2.1", port })).rejects.toMatchObject({
        code: "config_validation_failed",
        message: `config validation failed: cannot listen on 192.0.2.1 port ${port} (EADDRNOTAVAIL); check CADDY_LISTEN_ADDRESS and the ingress's listen`,
        cause: { code: "EADDRNOTAVAIL" },
      });
    }
  });
});
