import { describe, expect, it } from "vitest";
import type {
  CreateIngressRequest,
  ErrorResponse,
  IngressRuleInput,
  IngressStatus,
} from "../../../src/model/api.ts";
import { type Answer, call, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines, openPackets, startLineServer, startPacketServer } from "../../support/streams.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright(
  { GATEWAY_NAME: "edge-1", TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" },
  ["vm"],
);

function create(document: CreateIngressRequest): Promise<Answer<{ id: string }>> {
  return call<{ id: string }>(`${gatewright.url}/ingresses`, { body: document });
}

async function make(document: CreateIngressRequest): Promise<string> {
  const created = await create(document);
  expect(created.status, created.text).toBe(201);
  return created.body.id;
}

const tcp = (port: number, target: number): IngressRuleInput => ({
  match: { protocol: "tcp", port },
  target: { instance: "vm", port: target },
});

describe("listen", () => {
  it("has several addresses of one port serve their own, for TCP, UDP and HTTP", async () => {
    await using one = await startLineServer("one");
    await using two = await startLineServer("two");
    await using packets = await startPacketServer("udp");
    await using backend = await startBackend("listening");
    const [port, web] = [await freePort(), await freePort()];
    await make({ name: "l-one", listen: ["127.0.0.31"], rules: [tcp(port, one.port)] });
    await make({ name: "l-two", listen: ["127.0.0.32", "127.0.0.33"], rules: [tcp(port, two.port)] });
    await make({
      name: "l-udp",
      listen: ["127.0.0.31"],
      rules: [{ match: { protocol: "udp", port }, target: { instance: "vm", port: packets.port } }],
    });
    for (const [host, name] of [
      ["127.0.0.31", "one"],
      ["127.0.0.32", "two"],
      ["127.0.0.33", "two"],
    ] as const) {
      using client = await openLines(port, host);
      expect(await client.ask("x")).toBe(`${name} x`);
    }
    await expect(openLines(port, "127.0.0.1")).rejects.toThrow(/ECONNREFUSED/);
    await using udp = await openPackets(port, "127.0.0.31");
    expect(await udp.ask("x")).toBe("udp x");
    const http = (listen: string[], hostname: string): CreateIngressRequest => ({
      name: `l-http-${listen[0]?.split(".")[3]}`,
      listen,
      rules: [{ match: { hostname, port: web }, target: { instance: "vm", port: backend.port } }],
    });
    await make(http(["127.0.0.31"], "a.listen.test"));
    await make(http(["127.0.0.32"], "*.listen.test"));
    const status = async (host: string) =>
      (await call(`http://${host}:${web}/`, { headers: { host: "a.listen.test" } })).status;
    expect([await status("127.0.0.31"), await status("127.0.0.32")]).toEqual([200, 200]);
    const b = await call(`http://127.0.0.31:${web}/`, { headers: { host: "b.listen.test" } });
    expect(b.status).toBe(404);
    await make({ ...http([], "everywhere.test"), name: "l-everywhere", listen: undefined } as never);
    expect((await visit(web, "everywhere.test")).status).toBe(200);
    const here = await call(`http://127.0.0.32:${web}/`, { headers: { host: "everywhere.test" } });
    // CADDY_LISTEN_ADDRESS is 127.0.0.1 here; an ingress without listen is served on every address of its port.
    expect(here.status).toBe(200);
  });

  it("refuses what is no address of this machine", async () => {
    const port = await freePort();
    const document = { name: "l-none", listen: ["192.0.2.77"], rules: [tcp(port, 9)] };
    const refused = await create(document);
    expect([refused.status, (refused.body as unknown as ErrorResponse).code]).toEqual([
      400,
      "config_validation_failed",
    ]);
    expect(refused.text).toContain("192.0.2.77");
    const wrong = await create({ ...document, listen: ["0.0.0.0", "db.test"] });
    expect(wrong.status).toBe(400);
    expect((wrong.body as unknown as ErrorResponse).details?.map(({ field }) => field)).toEqual([
      "listen[0]",
      "listen[1]",
    ]);
  });
});

describe("gateways", () => {
  it("are served where they are named, and everywhere when none is", async () => {
    await using server = await startLineServer("g");
    const [here, there] = [await freePort(), await freePort()];
    await make({ name: "g-here", gateways: ["edge-1", "edge-2"], rules: [tcp(here, server.port)] });
    const id = await make({ name: "g-there", gateways: ["edge-2"], rules: [tcp(there, server.port)] });
    using client = await openLines(here);
    expect(await client.ask("x")).toBe("g x");
    await expect(openLines(there)).rejects.toThrow(/ECONNREFUSED/);
    const { body } = await call<IngressStatus>(`${gatewright.url}/ingresses/${id}/status`);
    expect(body.conditions.find(({ type }) => type === "Programmed")).toMatchObject({
      status: "False",
      reason: "OtherGateway",
    });
    // The same port on another gateway is no conflict, on the same it is one.
    await make({ name: "g-other", gateways: ["edge-3"], rules: [tcp(there, server.port)] });
    const taken = await create({
      name: "g-taken",
      gateways: ["edge-2", "edge-3"],
      rules: [tcp(there, server.port)],
    });
    expect(taken.status).toBe(409);
  });
});

describe("conflicts", () => {
  it("are refused with the name of the ingress that was there before", async () => {
    const port = await freePort();
    const target = { instance: "vm", port: 9 };
    await make({
      name: "c-tls",
      rules: [{ match: { protocol: "tls", hostname: "a.c.test", port }, target }],
    });
    await make({ name: "c-rest", rules: [{ match: { protocol: "tls", hostname: "*", port }, target }] });
    const refuse = async (match: object, holder: string, more: object = {}): Promise<void> => {
      const refused = await create({
        name: "c-new",
        rules: [{ match, target, ...more } as IngressRuleInput],
      });
      expect(refused.status, refused.text).toBe(409);
      expect((refused.body as unknown as ErrorResponse).message).toContain(`"${holder}"`);
    };
    await refuse({ protocol: "tls", hostname: "A.c.test.", port }, "c-tls");
    await refuse({ protocol: "tls", hostname: "*", port }, "c-rest");
    await refuse({ protocol: "tcp", hostname: "a.c.test", port }, "c-tls", { tls: true });
    await refuse({ hostname: "a.c.test", port, path: { type: "prefix", value: "/x" } }, "c-tls", {
      tls: true,
    });
    await refuse({ protocol: "tcp", port }, "c-tls");
    const whole = await freePort();
    await make({ name: "c-whole", rules: [{ match: { protocol: "tcp", port: whole }, target }] });
    await refuse({ hostname: "web.c.test", port: whole }, "c-whole");
    await refuse({ protocol: "tls", hostname: "x.c.test", port: whole }, "c-whole");
    await refuse({ protocol: "tcp", port: whole }, "c-whole");
    // UDP is another port.
    await make({ name: "c-udp", rules: [{ match: { protocol: "udp", port: whole }, target }] });
    await refuse({ protocol: "udp", port: whole }, "c-udp");
    await make({ name: "c-http", rules: [{ match: { hostname: "b.c.test", port }, target, tls: true }] });
    await refuse({ protocol: "tls", hostname: "b.c.test", port }, "c-http");
  });
});
