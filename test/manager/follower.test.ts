import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { Follower } from "../../src/manager/follower.ts";
import type { Ingress } from "../../src/model/api.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function ingress(id: string): Ingress {
  const match = { hostname: `${id}.example.com`, port: 80 };
  const rules = [{ match, target: { instance: "web-1", port: 80 }, tls: false, redirect_http: false }];
  const at = "2026-01-01T00:00:00.000Z";
  return { id, name: id, rules, created_at: at, updated_at: at };
}

/** A server that always answers the same list, and ingresses that are changed by the follower. */
async function follow(answered: readonly Ingress[], held: readonly Ingress[]) {
  const server = createServer((_request, response) => response.end(JSON.stringify(answered)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const known = new Map(held.map((one) => [one.id, one]));
  const failures: Error[] = [];
  const failIfAsked = (): void => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  };
  const follower = new Follower({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    intervalMs: 5,
    read: (value) => {
      failIfAsked();
      return value as Ingress;
    },
    ingresses: {
      list: () => known.values(),
      adopt: async (after) => void known.set(after.id, after),
      forget: async (id) => {
        failIfAsked();
        known.delete(id);
      },
    },
    logger: recordingLogger(),
  });
  closers.push(() => follower.stop());
  return { follower, known, failures };
}

const away = () => new GatewrightError("caddy_unavailable", "Caddy does not answer");

describe("a follower", () => {
  it("reads an answer again that it could not read, though it stays the same", async () => {
    const { follower, known, failures } = await follow([ingress("a")], [ingress("gone")]);
    failures.push(new Error("no ingress"));
    follower.start();
    await until(() => known.has("a") && !known.has("gone"), 3_000);
    expect([...known.keys()]).toEqual(["a"]);
  });

  it("makes a change again that failed, though the answer stays the same", async () => {
    const { follower, known, failures } = await follow([], [ingress("gone")]);
    failures.push(away());
    follower.start();
    await until(() => known.size === 0, 3_000);
    expect(failures).toEqual([]);
  });
});
