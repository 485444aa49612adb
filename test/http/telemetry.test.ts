import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import { expect, it } from "vitest";
import { startingApp } from "../../src/http/starting.ts";
import { startApi } from "../support/http-api.ts";
import { httpCall } from "../support/http-call.ts";
import { instanceFrom } from "../support/instances.ts";
import { use } from "../support/use.ts";

const api = use(() => startApi({ instances: [instanceFrom({ name: "vm-1" })] }));

const plain = "text/plain; version=0.0.4; charset=utf-8";
const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
it.each([
  [undefined, plain],
  ["*/*", plain],
  ["text/html", plain],
  ["text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;charset=utf-8", openMetrics],
])("tells metrics to those who accept %j as %s", async (accept, type) => {
  const headers = accept === undefined ? {} : { Accept: accept };
  const reply = await api.call({ path: "/metrics", headers });
  expect([reply.status, reply.headers["content-type"], reply.headers["vary"]]).toEqual([200, type, "Accept"]);
  expect(reply.text.endsWith("# EOF\n")).toBe(type === openMetrics);
});

it("names counters alike in either form, whichever was asked for before", async () => {
  const named = async (accept: string): Promise<boolean> =>
    (await api.call({ path: "/metrics", headers: { Accept: accept } })).text.includes(
      '\ngatewright_http_requests_total{method="GET",route="/metrics",status="200"} ',
    );
  await named(plain);
  for (const accept of [plain, openMetrics, plain, openMetrics]) expect(await named(accept)).toBe(true);
});

it("answers the status", async () => {
  expect((await api.call({ path: "/status" })).json()).toMatchObject({ status: "ok", problems: [] });
});

it("counts and logs each answer by its route, never by its address or by a method of the caller's own", async () => {
  await api.call({ path: "/instances/vm-1?" });
  await api.call({ path: "/instances/nobody" });
  await api.call({ method: "PROPFIND", path: "/secret-path" });
  const { text } = await api.call({ path: "/metrics" });
  const counted = text.split("\n").filter((line) => line.startsWith("gatewright_http_requests_total"));
  for (const [method, route, status] of [
    ["GET", "/instances/:id", 200],
    ["GET", "/instances/:id", 404],
    ["OTHER", "unknown", 404],
  ])
    expect(counted).toContain(
      `gatewright_http_requests_total{method="${method}",route="${route}",status="${status}"} 1`,
    );
  // Of seconds, where the log has milliseconds.
  const bucket = `gatewright_http_request_duration_seconds_bucket{method="GET",route="/instances/:id",le="10"} 2`;
  expect(text.split("\n")).toContain(bucket);
  const logged = api.logger.entries.filter(({ message }) => message === "request");
  expect(logged.slice(-4).map(({ level, fields }) => [level, fields])).toEqual(
    [
      ["GET", "/instances/:id", 200],
      ["GET", "/instances/:id", 404],
      ["PROPFIND", "unknown", 404],
      ["GET", "/metrics", 200],
    ].map(([method, route, status]) => ["debug", { method, route, status, durationMs: expect.any(Number) }]),
  );
  expect(JSON.stringify([text, logged])).not.toMatch(/secret-path|nobody/);
});

it("logs how long a call took, in milliseconds", async () => {
  const began = performance.now();
  const socket = connect(api.port, "127.0.0.1");
  socket.write(
    "PUT /instances/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
  );
  // It says so when it has begun with the call.
  await once(socket, "readable");
  const waited = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const least = performance.now() - waited;
  socket.write("x");
  await readText(socket);
  const entry = api.logger.entries.findLast(({ fields }) => fields["method"] === "PUT");
  const took = Number(entry?.fields["durationMs"]);
  expect([took > least - 1, took < performance.now() - began + 1]).toEqual([true, true]);
});

it("sends what keeps browsers from guessing and caches from keeping", async () => {
  const { headers } = await api.call({ path: "/ingresses" });
  expect(headers).toMatchObject({
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",
  });
  expect(headers).not.toHaveProperty("x-powered-by");
});

it("is well and not ready while the rest starts, and takes bodies without reading them", async () => {
  const server = createServer(startingApp).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const health = await httpCall(url, { path: "/health" });
  expect([health.status, health.headers["retry-after"], health.text]).toEqual([
    200,
    undefined,
    '{"status":"ok"}\n',
  ]);
  const ready = await httpCall(url, { path: "/ready" });
  expect([ready.status, ready.headers["retry-after"], ready.text]).toEqual([
    503,
    "1",
    '{"reasons":["starting"],"status":"not_ready"}\n',
  ]);
  const other = await httpCall(url, { method: "POST", path: "/ingresses", raw: "x".repeat(1_000_000) });
  expect([other.status, other.headers["retry-after"], other.headers["content-type"]]).toEqual([
    503,
    "1",
    "application/json",
  ]);
  expect(other.json()).toEqual({ code: "caddy_unavailable", message: "Gatewright is starting. Try again." });
  server.close();
});
