import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { filesUnder } from "../../support/files-under.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { type Site, useGatewright } from "../../support/use-gatewright.ts";
import { exchange, visitFrom } from "../../support/visit-from.ts";

interface Line {
  readonly kind: string;
  readonly [field: string]: unknown;
}

const backend = use(() => startBackend());
const gatewright = useGatewright(
  {
    ACCESS_LOG: "all",
    ACCESS_LOG_CLIENT: "masked",
    ACCESS_LOG_OUTPUT: "stdout",
    TRUSTED_PROXIES: "127.9.9.9",
  },
  ["web-1"],
);

const fileOf = ({ dataDir }: Site) => join(dataDir, "caddy/access.log");

/** The lines about a host, as soon as there are so many. */
async function linesOf(site: Site, host: string, count: number): Promise<readonly Line[]> {
  let found: readonly Line[] = [];
  await until(async () => {
    const text = await readFile(fileOf(site), "utf8").catch(() => "");
    const lines = text.split("\n").slice(0, -1);
    found = lines.map((line) => JSON.parse(line) as Line).filter((line) => line["host"] === host);
    return found.length >= count;
  });
  expect(found).toHaveLength(count);
  return found;
}

const status = async (host: string, path = "/", headers = {}) =>
  (await visitFrom(gatewright.ports.http, host, path, { from: "127.1.2.3", headers })).status;

it("has a line of each request: who took it, what became of it and why", async () => {
  const made = await gatewright.make("shop", rule("shop.test", "web-1", backend.port));
  const { headers } = await gatewright.visit("shop.test", "/cart?q=1", {
    headers: { "user-agent": "curl/8" },
  });
  const [line] = await linesOf(gatewright, "shop.test", 1);
  expect(line).toMatchObject({
    kind: "request",
    request_id: headers["x-request-id"],
    ingress: "shop",
    rule: `${made.id}/0`,
    client: "127.0.0.0",
    protocol: "HTTP/1.1",
    method: "GET",
    path: "/cart",
    user_agent: "curl/8",
    status: 200,
    target: "web-1",
    address: `127.0.0.1:${backend.port}`,
    upstream_status: 200,
  });
  expect(line).not.toHaveProperty("query");
  for (const time of ["duration_ms", "first_byte_ms", "upstream_ms"]) expect(line?.[time]).toBeGreaterThan(0);
});

it("says why a request was not served, in one word", async () => {
  await gatewright.make("dead", rule("dead.test", "web-1", await freePort()));
  await gatewright.make("denied", {
    ...rule("denied.test", "web-1", backend.port),
    policies: { access: { deny: ["127.1.2.3"] } },
  });
  await gatewright.make(
    "part",
    rule("part.test", "web-1", backend.port, { path: { type: "prefix", value: "/a" } }),
  );
  expect(await status("dead.test")).toBe(502);
  expect(await status("denied.test")).toBe(403);
  expect(await status("part.test", "/b")).toBe(404);
  expect(await status("unknown.test")).toBe(404);
  expect(await linesOf(gatewright, "dead.test", 1)).toMatchObject([
    { status: 502, cause: "refused", retries: 1 },
  ]);
  expect(await linesOf(gatewright, "denied.test", 1)).toMatchObject([
    { status: 403, policy: "access", reason: expect.any(String), client: "127.1.2.0" },
  ]);
  expect(await linesOf(gatewright, "part.test", 1)).toMatchObject([{ status: 404, miss: "path" }]);
  expect(await linesOf(gatewright, "unknown.test", 1)).toMatchObject([{ status: 404, miss: "host" }]);
});

it("takes the id of a trusted proxy, and nobody else's", async () => {
  await gatewright.make("named", rule("named.test", "web-1", backend.port));
  const ask = (from: string) =>
    visitFrom<{ headers: { "x-request-id": string } }>(gatewright.ports.http, "named.test", "/", {
      from,
      headers: { "x-request-id": "of-the-caller" },
    });
  const [trusted, other] = [await ask("127.9.9.9"), await ask("127.1.2.3")];
  for (const { body, headers } of [trusted, other])
    expect(body.headers["x-request-id"]).toBe(headers["x-request-id"]);
  expect(trusted.headers["x-request-id"]).toBe("of-the-caller");
  expect(other.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  expect((await linesOf(gatewright, "named.test", 2)).map((line) => line["request_id"])).toEqual([
    trusted.headers["x-request-id"],
    other.headers["x-request-id"],
  ]);
});

it("is as a rule says, without a reload", async () => {
  const generation = async () => (await readFile(join(gatewright.dataDir, "caddy/config.json"))).toString();
  await gatewright.make("loud", rule("loud.test", "web-1", backend.port));
  const before = await generation();
  await gatewright.make("quiet", {
    ...rule("quiet.test", "web-1", backend.port),
    policies: { access_log: "off" },
  });
  await gatewright.make("some", {
    ...rule("some.test", "web-1", await freePort()),
    policies: { access_log: "errors" },
  });
  expect(await generation()).toBe(before);
  for (const host of ["quiet.test", "some.test", "loud.test"]) await status(host);
  await linesOf(gatewright, "loud.test", 1);
  await linesOf(gatewright, "some.test", 1);
  await linesOf(gatewright, "quiet.test", 0);
});

it("is on the standard output too, line for line", async () => {
  await gatewright.make("told", rule("told.test", "web-1", backend.port));
  await status("told.test");
  const [line] = await linesOf(gatewright, "told.test", 1);
  const told = () =>
    gatewright
      .output()
      .split("\n")
      .filter((text) => text.includes('"told.test"') && text.includes('"kind":"request"'));
  await until(() => told().length === 1);
  expect(JSON.parse(told()[0] ?? "")).toEqual(line);
});

it("has no secret of a request, and no file has", async () => {
  const key = "marked-key".padEnd(32, "k");
  await gatewright.make("closed", {
    ...rule("closed.test", "web-1", backend.port),
    request_header_auth: { header: "X-Key", value: key },
  });
  const secrets = {
    authorization: `Basic ${Buffer.from("ann:marked-password").toString("base64")}`,
    cookie: "session=marked-cookie",
    "x-key": key,
    "proxy-authorization": "Bearer marked-proxy",
    referer: "https://ann:marked-referer@search.test/?q=marked-query",
  };
  expect(await status("closed.test", "/?token=marked-query", secrets)).toBe(200);
  expect(await status("closed.test", "/?token=marked-query", { ...secrets, "x-key": "marked-guess" })).toBe(
    403,
  );
  expect(await status("dead.test", "/?token=marked-query", secrets)).toBe(502);
  expect(await status("nobody.test", "/?token=marked-query", secrets)).toBe(404);
  const target = "http://ann:marked-url@closed.test/?token=marked-query";
  const raw = `GET ${target} HTTP/1.1\r\nHost: closed.test\r\nConnection: close\r\n\r\n`;
  expect(await exchange(gatewright.ports.http, raw)).toMatch(/^HTTP\/1.1 400 /);
  await linesOf(gatewright, "closed.test", 3);
  const files = await filesUnder(gatewright.dataDir);
  const found: string[] = [];
  for (const { full, kind, path } of files) {
    if (kind !== "file" || path.startsWith("system/")) continue;
    const text = await readFile(full, "utf8").catch(() => "");
    // The rule's own secret stands in its document, and only there.
    const own = path.startsWith("ingresses/") ? text.replaceAll(key, "") : text;
    if (/marked-|YW5uOm1hcmtlZC1wYXNzd29yZA/.test(own)) found.push(path);
  }
  expect(found).toEqual([]);
  expect(gatewright.output()).not.toMatch(/marked-/);
});

it("has a line of each connection of layer 4, at its end", async () => {
  const port = await freePort();
  await gatewright.make("wire", {
    match: { protocol: "tcp", hostname: "*", port },
    target: { instance: "web-1", port: backend.port },
  } as never);
  await until(async () => {
    const socket = connect(port, "127.0.0.1");
    const opened = await new Promise((resolve) =>
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false)),
    );
    socket.destroy();
    return opened === true;
  });
  const asked = "GET / HTTP/1.1\r\nHost: wire.test\r\nConnection: close\r\n\r\n";
  const answer = await exchange(port, asked);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  let line: Line | undefined;
  await until(async () => {
    const lines = (await readFile(fileOf(gatewright), "utf8")).split("\n").slice(0, -1);
    line = lines
      .map((text) => JSON.parse(text) as Line)
      .find((one) => one.kind === "connection" && Number(one["sent"]) > 0);
    return line !== undefined;
  });
  expect(line).toMatchObject({
    ingress: "wire",
    protocol: "tcp",
    port,
    client: "127.0.0.0",
    target: "web-1",
    address: `127.0.0.1:${backend.port}`,
    received: asked.length,
    sent: answer.length,
  });
});
