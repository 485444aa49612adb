import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import { rule } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";
import { visitFrom } from "../../support/visit-from.ts";

const balancer = "127.0.0.3";
const access = { policies: { access: { allow: ["192.0.2.1"] } } };

const shared = use(async () => ({ port: await freePort() }));
const site = usePolicySite({
  PROXY_PROTOCOL_FROM: balancer,
  TLS_ISSUER: "internal",
  TLS_ALLOWED_DOMAINS: "*.test",
});

beforeAll(async () => {
  const { port } = site.backend;
  await site.gatewright.make(
    "secure",
    rule("secure.test", "web", port, {}, { tls: true, ...access }),
    rule("secure.test", "web", port, { port: shared.port }, { tls: true, ...access }),
    rule("plain.test", "web", port, { port: shared.port }, access),
  );
});

/** A request over TLS behind a PROXY protocol header; the answer's first line. */
async function visitTls(port: number, client: string, from = balancer): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  await once(socket, "connect");
  socket.write(`PROXY TCP4 ${client} 203.0.113.1 5000 443\r\n`);
  const secure = connectTls({ socket, servername: "secure.test", rejectUnauthorized: false });
  await once(secure, "secureConnect");
  secure.write("GET / HTTP/1.1\r\nHost: secure.test\r\nConnection: close\r\n\r\n");
  const text = await readText(secure);
  socket.destroy();
  return text;
}

describe("gRPC", () => {
  it("goes from TLS to an h2c instance, with its trailers", async () => {
    const grpc = createHttp2();
    grpc.on("stream", (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.pipe(stream);
    });
    grpc.listen(0, "127.0.0.1");
    await once(grpc, "listening");
    const { port } = grpc.address() as AddressInfo;
    const made = rule("grpc.test", "web", port, {}, { tls: true, upstream: { scheme: "h2c" } });
    await site.gatewright.make("grpc", made);
    const client = await connectedToGrpc();
    const stream = client.request({
      ":method": "POST",
      ":path": "/s/M",
      ":authority": "grpc.test",
      te: "trailers",
    });
    stream.write("one");
    const [first] = (await once(stream, "data")) as [Buffer];
    expect(first.toString()).toBe("one");
    stream.end("two");
    const [trailers] = (await once(stream, "trailers")) as [object];
    expect(trailers).toMatchObject({ "grpc-status": "0" });
    client.destroy();
    grpc.close();
  });
});

/** An HTTP/2 connection, once the certificate is there. */
async function connectedToGrpc(): Promise<ClientHttp2Session> {
  let client: ClientHttp2Session | undefined;
  await until(async () => {
    const candidate = connectHttp2(`https://127.0.0.1:${site.gatewright.ports.https}`, {
      servername: "grpc.test",
      rejectUnauthorized: false,
    });
    const connected = await once(candidate, "connect").then(
      () => true,
      () => false,
    );
    if (connected) client = candidate;
    return connected;
  }, 10_000);
  return client as ClientHttp2Session;
}

describe("the PROXY protocol before TLS", () => {
  it.each([
    ["a TLS port", () => site.gatewright.ports.https],
    ["a port that TLS and plain HTTP share", () => shared.port],
  ])("tells policies and instance the client on %s", async (_what, port) => {
    await until(
      async () => (await visitTls(port(), "192.0.2.1").catch(() => "")).startsWith("HTTP/1.1 200"),
      10_000,
    );
    const allowed = await visitTls(port(), "192.0.2.1");
    expect(allowed).toContain('"x-real-ip":"192.0.2.1"');
    expect(allowed).toContain('"x-forwarded-proto":"https"');
    expect(await visitTls(port(), "192.0.2.2")).toMatch(/^HTTP\/1.1 403 /);
    await expect(visitTls(port(), "192.0.2.1", "127.0.0.9")).rejects.toThrow();
  });

  it("leaves plain requests on the shared port to their own rules", async () => {
    const refused = await visitFrom(shared.port, "plain.test");
    expect(refused.status).toBe(403);
  });
});
