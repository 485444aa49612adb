import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startZoneDns } from "../../support/acme/zone-dns.ts";
import { call } from "../../support/api.ts";
import { encodeAsk, exchangeUdp, see, type } from "../../support/dns-client.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({ TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" }, ["vm"]);

const run = promisify(execFile);
const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

async function startRedis(): Promise<AsyncDisposable & { readonly port: number }> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "gatewright-redis-"));
  const server = spawn(
    "redis-server",
    ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder],
    { stdio: "ignore" },
  );
  await until(async () => {
    const client = await openLines(port).catch(() => undefined);
    client?.[Symbol.dispose]();
    return client !== undefined;
  });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const ended = once(server, "exit");
      server.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe.skipIf(!hasRedis)("Redis (apt-get install redis-server)", () => {
  it("is served over TCP, and over TLS that ends here", async () => {
    await using redis = await startRedis();
    const [port, secure] = [await freePort(), await freePort()];
    await gatewright.make("redis", {
      match: { protocol: "tcp", port },
      target: { instance: "vm", port: redis.port },
    });
    await gatewright.make("redis-tls", {
      match: { protocol: "tcp", hostname: "redis.test", port: secure },
      target: { instance: "vm", port: redis.port },
      tls: true,
    });
    const ask = async (...args: readonly string[]) => (await run("redis-cli", args)).stdout.trim();
    expect(await ask("-p", `${port}`, "set", "greeting", "hello")).toBe("OK");
    const big = "x".repeat(1 << 20);
    await new Promise<void>((resolve, reject) => {
      const client = execFile("redis-cli", ["-p", `${port}`, "-x", "set", "big"], (error) =>
        error === null ? resolve() : reject(error),
      );
      client.stdin?.end(big);
    });
    expect(await ask("-p", `${port}`, "strlen", "big")).toBe(`${big.length}`);
    const tls = ["--tls", "--sni", "redis.test", "--insecure", "-p", `${secure}`] as const;
    await until(async () => (await ask(...tls, "get", "greeting").catch(() => "")) === "hello");
    // A subscriber hears what is published through the other port.
    const subscriber = spawn("redis-cli", ["-p", `${port}`, "subscribe", "news"], { stdio: "pipe" });
    let heard = "";
    subscriber.stdout.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    await until(() => heard.includes("subscribe"));
    expect(await ask(...tls, "publish", "news", "extra")).toBe("1");
    await until(() => heard.includes("extra"));
    subscriber.kill();
  });
});

describe("DNS", () => {
  it("is served over UDP", async () => {
    await using dns = await startZoneDns({ zone: "example.test", texts: () => ["through Gatewright"] });
    const port = await freePort();
    const target = Number(dns.address.split(":")[1]);
    await gatewright.make("dns", {
      match: { protocol: "udp", port },
      target: { instance: "vm", port: target },
    });
    for (let index = 1; index <= 20; index += 1) {
      const ask = encodeAsk({ name: "txt.example.test", type: type.TXT, id: index });
      const answer = await exchangeUdp(port, ask);
      expect(answer).toBeDefined();
      expect(see(answer ?? Buffer.alloc(0))).toMatchObject({ id: index });
      expect(answer?.includes("through Gatewright")).toBe(true);
    }
    const { text } = await call(`${gatewright.url}/metrics`);
    expect(text).toContain('gatewright_layer4_connections_total{ingress="dns",rule="0"} 20');
  });
});
