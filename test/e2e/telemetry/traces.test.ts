import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { askCaddy, rule } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startOtlpReceiver } from "../../support/otlp/receiver.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";
import { visitFrom } from "../../support/visit-from.ts";

const receiver = use(() => startOtlpReceiver("http/protobuf"));
const backend = use(() => startBackend());
const gatewright = useGatewright(
  () => ({
    OTEL_ENABLED: "true",
    OTEL_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_EXPORTER_OTLP_HEADERS: "x-key=markedexport",
    OTEL_SERVICE_INSTANCE_ID: "edge-1",
    TRUSTED_PROXIES: "127.9.9.9",
    ACCESS_LOG: "all",
  }),
  ["web-1"],
);

const parent = { trace: "4bf92f3577b34da6a3ce929d0e0e4736", span: "00f067aa0ba902b7" };

/** What the instance was told, and the client. */
async function visit(host: string, from: string, flags: string) {
  const { body, headers, status } = await visitFrom<Seen>(
    gatewright.ports.http,
    host,
    "/cart?q=markedquery",
    {
      from,
      headers: { traceparent: `00-${parent.trace}-${parent.span}-${flags}` },
    },
  );
  const told = String(body?.headers?.["traceparent"] ?? "").split("-");
  return { status, trace: told[1], span: told[2], flags: told[3], id: headers["x-request-id"] };
}

const ofCaddy = () => receiver.traces.filter(({ scope }) => scope === "gatewright.dev/caddy");

it("a request is a trace: policies, the choice of an instance, and each attempt", async () => {
  await gatewright.make("shop", rule("shop.test", "web-1", backend.port));
  const seen = await visit("shop.test", "127.1.2.3", "01");
  const spans = () => ofCaddy().filter(({ traceId }) => traceId === seen.trace);
  await until(() => spans().some(({ name }) => name === "GET shop"));
  const [root] = spans().filter(({ name }) => name === "GET shop");
  expect(root).toMatchObject({
    attributes: {
      "http.request.method": "GET",
      "http.response.status_code": 200,
      "url.path": "/cart",
      "server.address": "shop.test",
      "gatewright.ingress": "shop",
      "gatewright.request_id": seen.id,
    },
    resource: { "service.name": "gatewright", "service.instance.id": "edge-1" },
  });
  const children = spans().filter(({ parentId }) => parentId === root?.spanId);
  expect(children.map(({ name }) => name).sort()).toEqual(["GET", "policies", "select"]);
  expect(children.find(({ name }) => name === "GET")?.spanId).toBe(seen.span);
  const lines = (await readFile(join(gatewright.dataDir, "caddy/access.log"), "utf8")).split("\n");
  expect(lines.filter((line) => line.includes(`"trace_id":"${seen.trace}"`))).toHaveLength(1);
});

it("a trusted proxy's trace goes on as it decided; anybody else gets a new one", async () => {
  const [trusted, left, other] = [
    await visit("shop.test", "127.9.9.9", "01"),
    await visit("shop.test", "127.9.9.9", "00"),
    await visit("shop.test", "127.1.2.3", "00"),
  ];
  expect([trusted.trace, trusted.flags]).toEqual([parent.trace, "01"]);
  expect([left.trace, left.flags]).toEqual([parent.trace, "00"]);
  expect(other.trace).not.toBe(parent.trace);
  expect(other.flags).toBe("01");
  await until(() => ofCaddy().some(({ traceId }) => traceId === other.trace));
  expect(ofCaddy().filter(({ parentId }) => parentId === parent.span)).toHaveLength(1);
});

it("a failed attempt, and its retry, say why", async () => {
  await gatewright.make("dead", rule("dead.test", "web-1", await freePort()));
  expect((await visit("dead.test", "127.1.2.3", "00")).status).toBe(502);
  const attempts = () =>
    ofCaddy().filter(({ attributes, name }) => name === "GET" && attributes["error.type"] === "refused");
  await until(() => attempts().length === 2);
  await until(() => ofCaddy().some(({ name, status }) => name === "GET dead" && status === 2));
  expect(attempts().map(({ attributes }) => attributes["http.request.resend_count"])).toEqual([undefined, 1]);
});

it("headers for the receiver stand in one private file, and queries nowhere", async () => {
  const config = await readFile(join(gatewright.dataDir, "caddy/config.json"), "utf8");
  const running = await askCaddy(gatewright.ports.admin, "/config/");
  expect(config).toContain("otlp-headers.json");
  for (const text of [config, running.text, gatewright.output(), JSON.stringify(ofCaddy())])
    expect(text).not.toMatch(/marked/);
  expect(await readFile(join(gatewright.dataDir, "caddy/otlp-headers.json"), "utf8")).toContain(
    "markedexport",
  );
});
