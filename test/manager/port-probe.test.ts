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

  it("names an address that the machine does not have", async () => {
    await expect(probePort("192.0.2.1", await freePort())).rejects.toMatchObject({
      code: "config_validation_failed",
    });
  });
});
