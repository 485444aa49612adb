import { createServer } from "node:http";
import { beforeAll, expect, it } from "vitest";
import { createAdminClient } from "../../src/caddy/admin-client.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { listening } from "../support/listening.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "s".repeat(32);

/** Answers as Caddy's admin endpoint does, or not at all. */
const caddy = use(async () => {
  const state = { asked: [] as (string | undefined)[], windows: {} as object };
  const server = await listening(
    createServer((request, response) => {
      state.asked.push(request.url);
      response.end(JSON.stringify({ windows: state.windows }));
    }),
  );
  return Object.assign(state, server);
});
const api: TestApi = use(() =>
  startApi({
    secret,
    instances: [instanceFrom({ name: "web-1" })],
    requests: createAdminClient({ adminUrl: `http://127.0.0.1:${caddy.port}` }),
  }),
);

const headers = (...permissions: string[]) => ({
  Authorization: `Bearer ${signToken(secret, { permissions })}`,
});
const traffic = (reference: string, scope = "ingress:read") =>
  api.call({ path: `/ingresses/${reference}/traffic`, headers: headers(scope) });

const window = {
  requests: 120,
  rate: 2,
  statuses: { 200: 118, 502: 2 },
  p50: 0.01,
  p95: 0.1,
  p99: 0.5,
  received_bytes: 10,
  sent_bytes: 2_000,
  targets: [{ target: "web-1:80", address: "10.0.0.5:80", requests: 120, failures: 2, p95: 0.1 }],
};
const quiet = {
  requests: 0,
  rate: 0,
  statuses: {},
  received_bytes: 0,
  sent_bytes: 0,
  targets: [{ target: "web-1:80", address: "10.0.0.5:80", requests: 3, failures: 3 }],
};
const silent = {
  ...quiet,
  p50: 0,
  p95: 0,
  p99: 0,
  targets: [{ ...quiet.targets[0], p95: 0 }],
};

let id: string;
beforeAll(async () => {
  const rules = [{ match: { hostname: "shop.test" }, target: { instance: "web-1", port: 80 } }];
  const created = await api.call({
    method: "POST",
    path: "/ingresses",
    headers: headers("*"),
    json: { name: "shop", rules },
  });
  ({ id } = created.json<{ id: string }>());
});

it("is what Caddy counted of an ingress, the shortest time first, by whatever name it is found", async () => {
  caddy.windows = {
    900: { ...window, seconds: 871 },
    60: { ...silent, seconds: 57 },
    300: { ...window, seconds: 299 },
  };
  const reply = await traffic("shop");
  expect([reply.status, reply.json()]).toEqual([
    200,
    {
      id,
      name: "shop",
      windows: [
        { seconds: 60, ...quiet },
        { seconds: 300, ...window },
        { seconds: 900, ...window },
      ],
    },
  ]);
  expect(caddy.asked).toEqual([`/gatewright/traffic?ingress=${id}`]);
});

it("is for whoever may read ingresses, and of ingresses that there are", async () => {
  expect((await traffic("shop", "instance:read")).status).toBe(403);
  expect((await traffic("nobody")).status).toBe(404);
});

it("is unavailable, with the reason, while Caddy does not answer", async () => {
  await caddy[Symbol.asyncDispose]();
  const reply = await traffic("shop");
  expect([reply.status, reply.headers["retry-after"], reply.json()]).toEqual([
    503,
    "1",
    {
      code: "caddy_unavailable",
      message: "Caddy, which counts the requests, does not answer. Try again.",
    },
  ]);
});
