import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { Upstream } from "../../../src/model/api.ts";
import { createIngress, rule } from "../../support/api.ts";
import { use } from "../../support/use.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";

const site = usePolicySite();

/** Says yes to every Upgrade, and then echoes; to other requests it answers their head. */
const willing = use(async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      const head = data.toString();
      const protocol = /^upgrade: (.*)$/im.exec(head)?.[1];
      if (protocol === undefined) {
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\nConnection: close\r\n\r\n${head}`);
        return;
      }
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      socket.pipe(socket);
    });
  });
  const port = await site.listen(server);
  return {
    port,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
});

/** Sends a request with these header lines, and reads the answer up to `end`. */
async function ask(name: string, lines: readonly string[], end: RegExp): Promise<string> {
  const socket = connect(site.gatewright.ports.http, "127.0.0.1");
  socket.write(`GET / HTTP/1.1\r\n${[`Host: ${name}.test`, ...lines].join("\r\n")}\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) {
    answer += String(chunk);
    if (end.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

const head = /\r\n\r\n/;
const wholeAnswer = /\r\n\r\n[\s\S]*\r\n\r\n/;

async function serve(name: string, upstream?: Upstream): Promise<void> {
  await site.servePort(name, willing.port, upstream === undefined ? {} : { upstream });
}

/** What became of the request: the protocol that was switched to, or undefined, and what the instance was asked then. */
async function upgraded(
  name: string,
  protocol: string,
  more: readonly string[] = [],
): Promise<string | undefined> {
  const options = ["Upgrade", ...more.map((line) => line.split(":")[0])].join(", ");
  const answer = await ask(name, [`Connection: ${options}`, `Upgrade: ${protocol}`, ...more], head);
  if (answer.startsWith("HTTP/1.1 200 ")) return undefined;
  expect(answer).toMatch(/^HTTP\/1\.1 101 /);
  return /^upgrade: (.*)$/im.exec(answer)?.[1]?.trim();
}

describe("D12, E2: Upgrade", () => {
  it.each(["h2c", "H2C", "h2c, foo", "foo", "foo/2", "TLS/1.0", "HTTP/2.0", "websocket2", "web socket", ""])(
    "to %j is not asked for, and the request goes on without",
    async (protocol) => {
      await serve(`no-x${Buffer.from(protocol).toString("hex")}`);
      const host = `no-x${Buffer.from(protocol).toString("hex")}`;
      const answer = await ask(
        host,
        ["Connection: Upgrade, HTTP2-Settings", `Upgrade: ${protocol}`, "HTTP2-Settings: AAMAAABkAAQAAP__"],
        wholeAnswer,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(answer.split("\r\n\r\n")[1]).not.toMatch(/^(?:upgrade|http2-settings|connection):/im);
    },
  );

  it("lets nobody past a rule of a path by h2c", async () => {
    await serve("smuggle");
    const answer = await ask(
      "smuggle",
      [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "",
        // What would be the first bytes on the connection that was handed over.
        "PRI * HTTP/2.0\r\n\r\nSM",
      ],
      wholeAnswer,
    );
    expect(answer).not.toContain("101 Switching");
    expect(answer).not.toContain("SM");
  });

  it.each(["HTTP2-Settings", "http2-settings"])("passes on no %s, with or without Upgrade", async (name) => {
    const host = `settings-${name === "HTTP2-Settings" ? "a" : "b"}`;
    await serve(host);
    const answer = await ask(host, [`${name}: AAMAAABkAAQAAP__`], wholeAnswer);
    expect(answer).not.toMatch(/http2-settings/i);
  });

  it("to WebSocket is", async () => {
    await serve("socket");
    expect(await upgraded("socket", "websocket")).toBe("websocket");
    expect(await upgraded("socket", "WebSocket")).toBe("websocket");
    expect(await upgraded("socket", "h2c, websocket, foo")).toBe("websocket");
    expect(await upgraded("socket", "websocket", ["HTTP2-Settings: AAMAAABkAAQAAP__"])).toBe("websocket");
  });

  it("is ignored from clients of HTTP/1.0 (RFC 9110 section 7.8)", async () => {
    await serve("old");
    const socket = connect(site.gatewright.ports.http, "127.0.0.1");
    socket.write("GET / HTTP/1.0\r\nHost: old.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    const [data] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    expect(data.toString()).toMatch(/^HTTP\/1\.[01] 200 /);
  });

  it("goes by the upstream's own list where it has one", async () => {
    await serve("listed", { upgrade: ["Foo", "bar/2"] });
    expect(await upgraded("listed", "foo")).toBe("foo");
    expect(await upgraded("listed", "websocket, BAR/2")).toBe("bar/2");
    expect(await upgraded("listed", "websocket")).toBeUndefined();
    expect(await upgraded("listed", "bar")).toBeUndefined();
    await serve("none", { upgrade: [] });
    expect(await upgraded("none", "websocket")).toBeUndefined();
    await serve("proxied", { proxy_protocol: "v1", upgrade: ["foo"] });
    expect(await upgraded("proxied", "websocket")).toBeUndefined();
  });

  it.each(["h2c", "H2C", "h2", "HTTP/2.0", "http", "TLS/1.0", "tls"])(
    "cannot be allowed to %s",
    async (protocol) => {
      const made = rule("never.test", "web", 80, {}, { upstream: { upgrade: ["websocket", protocol] } });
      const { status, body } = await createIngress({
        url: site.gatewright.url,
        name: "never",
        rules: [made],
      });
      expect([status, body]).toMatchObject([400, { details: [{ field: "rules[0].upstream.upgrade[1]" }] }]);
    },
  );
});
