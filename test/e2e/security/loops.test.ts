import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { rule } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({}, ["self"]);

const descriptors = async (): Promise<number> =>
  (await readdir(`/proc/${await gatewright.caddyPid()}/fd`)).length;

/** What a server says to a client that greets it; "" where it closes the connection. */
async function greet(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("hello\n");
  return text(socket).catch(() => "");
}

describe("E6: an ingress to a port of ingresses", () => {
  it("is 502 at the first pass", async () => {
    await gatewright.make("loop", rule("loop.test", "self", gatewright.ports.http));
    const before = await descriptors();
    const { status } = await gatewright.visit("loop.test");
    expect(status).toBe(502);
    expect((await descriptors()) - before).toBeLessThan(20);
  });

  it("is so by another port, from the moment on that the port is served", async () => {
    const other = await freePort();
    await gatewright.make("ahead", rule("ahead.test", "self", other));
    await gatewright.make("behind", rule("ahead.test", "self", gatewright.ports.http, { port: other }));
    expect((await gatewright.visit("ahead.test")).status).toBe(502);
  });

  it("is closed with TCP", async () => {
    const port = await freePort();
    const match = { protocol: "tcp", port };
    await gatewright.make("line", { match, target: { instance: "self", port } } as ReturnType<typeof rule>);
    const before = await descriptors();
    expect(await greet(port)).toBe("");
    expect((await descriptors()) - before).toBeLessThan(20);
  });
});
