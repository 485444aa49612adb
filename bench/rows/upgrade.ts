import { once } from "node:events";
import { copyFile } from "node:fs/promises";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { atMost, type Bench, type Row } from "../row.ts";
import { addressOf } from "../seed.ts";
import { median } from "../statistics.ts";
import { failuresMet, watchedSecurely } from "./secure-clients.ts";
import { openTls, untilSigned } from "./tls-create.ts";

const ROW = "upgrade";
const UPGRADES = 5;
const HOSTS = 100;
const GIGABYTE = 2 ** 30;
const SLOW_MS = 20_000;
const CHUNK = Buffer.alloc(2 ** 16);

/** A newer Caddy takes over, again and again. */
export const upgrade: Row = {
  key: ROW,
  about:
    "failed HTTPS requests and secure WebSockets during 5 hot upgrades, a long request and a download under way",
  once: true,
  quick: false,
  async measure(bench) {
    await using site = await openTls(bench, HOSTS);
    await untilSigned(site);
    await using stack = new AsyncDisposableStack();
    const port = await freePort();
    const backendPort = await slowBackend(stack);
    const rules = [
      { match: { hostname: "slow.test", port }, target: { instance: "vm-0", port: backendPort }, tls: false },
    ];
    await site.api.succeed({
      method: "POST",
      path: "/ingresses",
      body: JSON.stringify({ name: "slow", rules }),
    });
    const times: number[] = [];
    const before = [ask(port, "/slow"), ask(port, "/download")];
    const met = await watchedSecurely(bench, site, async () => {
      for (let round = 0; round < UPGRADES; round++) {
        const binary = await anotherBuild(bench, round);
        await site.gatewright.kill();
        times.push((await site.gatewright.start({ CADDY_BIN: binary })).wallMs);
      }
      await Promise.all(before);
    });
    const [slow = 0, downloaded = 0] = await Promise.all(before);
    const failed = Number(slow === 0) + Number(downloaded !== GIGABYTE);
    return [
      ...failuresMet(ROW, `${UPGRADES} hot upgrades`, HOSTS, met),
      {
        row: ROW,
        what: `a request of ${SLOW_MS / 1000} s and a download of 1 GB, begun before`,
        size: HOSTS,
        value: failed,
        unit: "failed",
        goal: atMost(failed, 0, "failed"),
      },
      {
        row: ROW,
        what: "manager killed and Caddy replaced, until /ready",
        size: HOSTS,
        value: median(times),
        unit: "ms",
      },
    ];
  },
};

/** Another build, as far as Gatewright can tell. */
async function anotherBuild(bench: Bench, round: number): Promise<string> {
  const binary = join(bench.scratch, `caddy-${round}`);
  await copyFile(bench.caddyBinary, binary);
  return binary;
}

/** Answers `/slow` late, and `/download` with a gigabyte. */
async function slowBackend(stack: AsyncDisposableStack): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === "/slow") {
      setTimeout(() => response.end("done"), SLOW_MS);
      return;
    }
    let left = GIGABYTE;
    response.setHeader("content-length", left);
    const write = (): void => {
      while (left > 0) {
        left -= CHUNK.length;
        if (!response.write(CHUNK)) {
          response.once("drain", write);
          return;
        }
      }
      response.end();
    };
    write();
  });
  server.listen(0, addressOf(0));
  await once(server, "listening");
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Bytes of the answer; 0 where it failed. A client that reads slowly: a gigabyte in about as long as a slow answer. */
function ask(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path, headers: { host: "slow.test" } }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes % (GIGABYTE / 100) >= chunk.length) return;
        response.pause();
        setTimeout(() => response.resume(), SLOW_MS / 100);
      });
      response
        .on("end", () => resolve(response.statusCode === 200 ? bytes : 0))
        .on("error", () => resolve(0));
    });
    request.on("error", () => resolve(0));
  });
}
