import { once } from "node:events";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);
const backend = use(() => startBackend());

it("a secure WebSocket goes on through reloads", async () => {
  const host = "socket.test";
  const port = gatewright.ports.https;
  await gatewright.make("socket", rule(host, "web-1", backend.port, {}, { tls: true }));
  const open = async (): Promise<WebSocket | undefined> => {
    const options = { servername: host, headers: { host }, rejectUnauthorized: false };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/`, options);
    const opened = await Promise.race([
      once(socket, "open").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    return opened ? socket : undefined;
  };
  let socket: WebSocket | undefined;
  // The certificate is issued meanwhile.
  await until(async () => {
    socket = await open();
    return socket !== undefined;
  });
  const ask = async (text: string): Promise<string> => {
    socket?.send(text);
    const [message] = (await once(socket as WebSocket, "message")) as [Buffer];
    return message.toString();
  };
  expect(await ask("before")).toBe("before");
  for (let change = 0; change < 5; change += 1) {
    const match = { port: await freePort() };
    await gatewright.make(`other-${change}`, rule(`other-${change}.test`, "web-1", backend.port, match));
    expect(await ask(`after ${change}`)).toBe(`after ${change}`);
  }
  socket?.terminate();
});
