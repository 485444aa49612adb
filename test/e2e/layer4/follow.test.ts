import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ErrorResponse, Ingress } from "../../../src/model/api.ts";
import { call, createIngress } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines, startLineServer } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const writer = useGatewright({ GATEWAY_NAME: "one" }, ["vm"]);
const follower = useGatewright(() => ({
  GATEWAY_NAME: "two",
  FOLLOW_URL: writer.url,
  FOLLOW_INTERVAL: "100ms",
  INSTANCE_SOURCE: "hypeman",
  HYPEMAN_URL: writer.url,
  HYPEMAN_POLL_INTERVAL: "100ms",
}));

const list = async (url: string) => (await call<Ingress[]>(`${url}/ingresses`)).body;

describe("a Gatewright that follows another", () => {
  it("serves its own of the other's ingresses, and changes none", async () => {
    await using server = await startLineServer("f");
    const [first, second] = [await freePort(), await freePort()];
    const document = (name: string, port: number, gateway: string) => ({
      name,
      gateways: [gateway],
      rules: [{ match: { protocol: "tcp" as const, port }, target: { instance: "vm", port: server.port } }],
    });
    for (const body of [document("on-one", first, "one"), document("on-two", second, "two")])
      expect((await call(`${writer.url}/ingresses`, { body })).status).toBe(201);
    for (const port of [first, second])
      await until(async () => {
        const client = await openLines(port).catch(() => undefined);
        const answer = await client?.ask("x").catch(() => undefined);
        client?.[Symbol.dispose]();
        return answer === "f x";
      });
    await until(async () => (await list(follower.url)).length === 2);
    expect(await list(follower.url)).toEqual(await list(writer.url));
    const refused = await createIngress({
      url: follower.url,
      name: "mine",
      rules: document("mine", first, "two").rules,
    });
    expect([refused.status, (refused.body as unknown as ErrorResponse).code]).toEqual([
      409,
      "source_read_only",
    ]);
    const id = (await list(follower.url)).find(({ name }) => name === "on-two")?.id;
    expect((await call(`${follower.url}/ingresses/${id}`, { method: "DELETE" })).status).toBe(409);

    // What was known last is served while the writer is away, also after a restart.
    await writer.stop();
    await follower.stop();
    await follower.start();
    using client = await openLines(second);
    expect(await client.ask("x")).toBe("f x");
    await writer.start();
    expect((await call(`${writer.url}/ingresses/${id}`, { method: "DELETE" })).status).toBe(204);
    await until(async () => (await list(follower.url)).length === 1);
    await until(async () => {
      const late = await openLines(second).catch(() => undefined);
      late?.[Symbol.dispose]();
      return late === undefined;
    });
    expect(await client.ask("y")).toBe("f y");
  });

  it("C4: converges when hostnames were swapped while it was away, and keeps all when the other lost its store", async () => {
    await using backend = await startBackend();
    const port = await freePort();
    const document = (name: string, hostname: string) => ({
      name,
      gateways: ["two"],
      rules: [{ match: { hostname, port }, target: { instance: "vm", port: backend.port } }],
    });
    const put = async (name: string, hostname: string): Promise<void> => {
      const body = document(name, hostname);
      const { status } = await call(`${writer.url}/ingresses/${name}`, { method: "PUT", body });
      expect(status).toBe(200);
    };
    const follows = () =>
      until(async () => JSON.stringify(await list(follower.url)) === JSON.stringify(await list(writer.url)));
    for (const name of ["left", "right"])
      expect((await call(`${writer.url}/ingresses`, { body: document(name, `${name}.test`) })).status).toBe(
        201,
      );
    await follows();
    await follower.stop();
    await put("left", "between.test");
    await put("right", "left.test");
    await put("left", "right.test");
    await follower.start();
    await follows();
    expect(await follower.reach("left.test", port)).toBe(200);

    const held = await list(follower.url);
    await writer.stop();
    await rm(join(writer.dataDir, "ingresses"), { recursive: true });
    await writer.start();
    expect(await list(writer.url)).toEqual([]);
    await until(async () => {
      const { body } = await call<{ reasons: string[] }>(`${follower.url}/ready`);
      return body.reasons.some((reason) => reason.includes("FOLLOW_WRITER="));
    });
    expect(await list(follower.url)).toEqual(held);
    expect(await follower.reach("right.test", port)).toBe(200);
  });
});
