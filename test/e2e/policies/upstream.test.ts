import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Table } from "../../../src/compiler/row.ts";
import { askCaddy } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";

const site = usePolicySite({ HTTP2_CLEARTEXT: "true" });

describe("upstream", () => {
  it("gets the Host header that is set", async () => {
    await site.serve("host-header", {}, {}, { upstream: { host_header: "internal.example.com:8443" } });
    const seen = (await site.visit("host-header")).body;
    expect(seen.host).toBe("internal.example.com:8443");
    expect(seen.headers["x-forwarded-host"]).toBe("host-header.test");
  });

  it.each(["v1", "v2"] as const)("gets the client's address by PROXY protocol %s", async (version) => {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const port = await site.listen(
      createTcp((socket) => {
        socket.once("data", (data) => {
          resolve(data);
          socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        });
      }),
    );
    await site.servePort(`proxy-${version}`, port, { upstream: { proxy_protocol: version } });
    expect((await site.visit(`proxy-${version}`, "/", { from: "127.0.0.9" })).status).toBe(204);
    const bytes = await promise;
    if (version === "v1") expect(bytes.toString()).toMatch(/^PROXY TCP4 127\.0\.0\.9 [\d.]+ \d+ \d+\r\n/);
    else {
      expect(bytes.subarray(0, 12)).toEqual(Buffer.from("\r\n\r\n\0\r\nQUIT\n"));
      expect([...bytes.subarray(16, 20)]).toEqual([127, 0, 0, 9]);
    }
  });

  it("is spoken to by gRPC through h2c, trailers and all, and with policies before it", async () => {
    const grpc = createHttp2();
    grpc.on("stream", (stream, headers) => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "x-path": String(headers[":path"]) },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
      stream.pipe(stream);
    });
    grpc.listen(0, "127.0.0.1");
    await once(grpc, "listening");
    await site.servePort("grpc", (grpc.address() as AddressInfo).port, {
      upstream: { scheme: "h2c" },
      policies: {
        access: { allow: ["127.0.0.1"] },
        rate_limit: { requests_per_second: 0.01, burst: 1 },
        compress: true,
      },
    });
    const client = connectHttp2(`http://127.0.0.1:${site.gatewright.ports.http}`);
    const ask = async (): Promise<{ status: number; trailers: object; text: string }> => {
      const stream = client.request({
        ":method": "POST",
        ":path": "/shop.Orders/Place",
        ":authority": "grpc.test",
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.end("message");
      let trailers = {};
      stream.on("trailers", (got: object) => (trailers = got));
      const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
      let text = "";
      for await (const chunk of stream) text += String(chunk);
      return { status: Number(headers[":status"]), trailers, text };
    };
    expect(await ask()).toMatchObject({
      status: 200,
      text: "message",
      trailers: { "grpc-status": "0", "grpc-message": "fine" },
    });
    expect((await ask()).status).toBe(429);
    client.destroy();
    grpc.close();
  });
});

describe("all together", () => {
  it("lets WebSockets through every policy, and keeps them through a reload", async () => {
    await site.serve("socket", {
      access: { allow: ["127.0.0.1"] },
      rate_limit: { requests_per_second: 10 },
      headers: { request: { set: { "X-A": "1" } }, response: { set: { "X-B": "2" } } },
      rewrite: { strip_prefix: "/ws" },
      timeouts: { response_header: "1s" },
      max_request_body: "1KB",
      compress: true,
      error_pages: { "5xx": "sorry" },
    });
    const socket = new WebSocket(`ws://127.0.0.1:${site.gatewright.ports.http}/ws`, {
      headers: { host: "socket.test" },
    });
    const echo = async (text: string): Promise<string> => {
      socket.send(text);
      const [message] = (await once(socket, "message")) as [Buffer];
      return message.toString();
    };
    await once(socket, "open");
    expect(await echo("before")).toBe("before");
    await site.serve("another-port", {}, { port: await freePort() });
    expect(await echo("x".repeat(5_000))).toBe("x".repeat(5_000));
    socket.terminate();
  });

  it("shares one policy set among rules with equal policies, and reloads nothing for another host", async () => {
    const policies = {
      access: { allow: ["127.0.0.1"] },
      headers: { request: { set: { "X-One": "1", "X-Two": "2" } } },
    };
    const reordered = {
      headers: { request: { set: { "X-Two": "2", "X-One": "1" } } },
      access: { allow: ["127.0.0.1/32"] },
    };
    await site.serve("shared-one", policies);
    const before = [await version(), await keys()];
    await site.serve("shared-two", reordered, { path: { type: "prefix", value: "/x" } });
    await site.gatewright.put("web-2", "127.0.0.1");
    expect([await version(), await keys()]).toEqual(before);
    expect((await site.visit("shared-two", "/x")).body.headers["x-one"]).toBe("1");
  });
});

async function version(): Promise<string> {
  const { admin } = site.gatewright.ports;
  return (await askCaddy<{ config: string }>(admin, "/gatewright/state")).body.config;
}

async function keys(): Promise<readonly string[]> {
  const { admin } = site.gatewright.ports;
  return Object.keys((await askCaddy<Table>(admin, "/gatewright/policy_sets")).body.policy_sets ?? {});
}
