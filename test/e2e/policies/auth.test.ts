import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { call, createIngress, putInstance, rule } from "../../support/api.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";
import type { VisitFrom } from "../../support/visit-from.ts";

// Both of "open sesame".
const bcrypt = "$2a$04$jDhls8JTslTJZ0IAfhaNYOOTK0o7L1UcvGOF7mDwx52INrbgoyeAC";
const argon2id =
  "$argon2id$v=19$m=8192,t=1,p=1$RdJkGIQPjnPRc8D4FhJJag$oSBJGdhVyOICvcvLkyRwO1fd83ybw/9fSJUeH77vN+c";

let asked: IncomingMessage[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const site = usePolicySite();
const auth = use(async () => {
  const server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  return { port: await site.listen(server) };
});

function basic(user: string, password: string): { readonly headers: { readonly authorization: string } } {
  return { headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` } };
}

describe("basic auth", () => {
  it.each([
    ["bcrypt", bcrypt],
    ["argon2id", argon2id],
  ])("lets users of %s hashes in, and nobody else", async (kind, hash) => {
    const users = { ann: hash, "{env.HOME}": hash };
    await site.serve(`basic-${kind}`, { basic_auth: { users } });
    const status = async (options = {}): Promise<number> =>
      (await site.visit(`basic-${kind}`, "/", options)).status;
    const closed = await site.visit(`basic-${kind}`);
    expect(closed.status).toBe(401);
    expect(closed.headers["www-authenticate"]).toBe('Basic realm="restricted"');
    expect(closed.text).toContain(`"basic-${kind}"`);
    expect(await status(basic("ann", "open sesame"))).toBe(200);
    expect(await status(basic("{env.HOME}", "open sesame"))).toBe(200);
    expect(await status(basic(process.env["HOME"] ?? "/root", "open sesame"))).toBe(401);
    expect(await status(basic("ann", "open says me"))).toBe(401);
    expect(await status(basic("ann", ""))).toBe(401);
    expect(await status(basic("bob", "open sesame"))).toBe(401);
  });
});

describe("forward auth", () => {
  it("passes requests on 2xx, with the headers of the answer and never the client's", async () => {
    await site.serve("forward", {
      forward_auth: {
        url: `http://127.0.0.1:${auth.port}/verify?app=1`,
        copy_headers: ["remote-user", "Remote-Groups"],
      },
    });
    asked = [];
    answer = (_request, response) => response.writeHead(204, { "remote-user": "ann {env.HOME}" }).end();
    const headers = {
      "remote-user": "root",
      "remote-groups": "wheel",
      cookie: "session=1",
      connection: "close, remote-user",
    };
    const passed = await site.visit("forward", "/orders?id=1", { method: "POST", headers, body: "order" });
    expect(passed.status).toBe(200);
    expect(passed.body).toMatchObject({ method: "POST", url: "/orders?id=1" });
    expect(passed.body.headers["remote-user"]).toBe("ann {env.HOME}");
    expect(passed.body.headers["remote-groups"]).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ method: "GET", url: "/verify?app=1" });
    expect(asked[0]?.headers).toMatchObject({
      host: `127.0.0.1:${auth.port}`,
      cookie: "session=1",
      "x-forwarded-method": "POST",
      "x-forwarded-uri": "/orders?id=1",
      "x-forwarded-host": "forward.test",
      "x-forwarded-for": "127.0.0.1",
    });
    expect(asked[0]?.headers["content-length"]).toBeUndefined();
  });

  it("gives any other answer to the client", async () => {
    answer = (_request, response) =>
      response.writeHead(302, { location: "https://login.example.com/" }).end("log in");
    const before = site.backend.requests();
    const refused = await site.visit("forward", "/");
    expect([refused.status, refused.headers["location"], refused.text]).toEqual([
      302,
      "https://login.example.com/",
      "log in",
    ]);
    expect(site.backend.requests()).toBe(before);
  });

  it("judges the path that the instance is asked for, on a host without rules of paths too", async () => {
    await site.serve("by-path", { forward_auth: { url: `http://127.0.0.1:${auth.port}/verify` } });
    answer = ({ headers }, response) =>
      response.writeHead(String(headers["x-forwarded-uri"]).startsWith("/public/") ? 204 : 403).end();
    const passed = await site.visit("by-path", "/public//a%20b");
    expect([passed.status, passed.body?.url]).toEqual([200, "/public/a%20b"]);
    for (const path of ["/public/..%2fadmin", "/public/%2e%2e/admin", "//public/../admin"])
      expect([path, (await site.visit("by-path", path)).status]).toEqual([path, 403]);
    expect((await site.visit("by-path", "/public/..%5cadmin")).status).toBe(400);
    await site.serve("by-path-kept", {
      forward_auth: { url: `http://127.0.0.1:${auth.port}/verify` },
      unclean_paths: "keep",
    });
    const kept = await site.visit("by-path-kept", "/public/group%2Fproject");
    expect([kept.status, kept.body?.url]).toEqual([200, "/public/group%2Fproject"]);
  });

  it("stays closed while the service is away", async () => {
    await site.serve("closed", { forward_auth: { url: "http://127.0.0.1:1/" } });
    const before = site.backend.requests();
    expect((await site.visit("closed")).status).toBe(502);
    expect(site.backend.requests()).toBe(before);
  });

  it("stays closed when the service does not answer in time", async () => {
    await site.serve("slow", { forward_auth: { url: `http://127.0.0.1:${auth.port}/`, timeout: "200ms" } });
    answer = () => {};
    expect((await site.visit("slow")).status).toBe(504);
  });

  it("guards WebSockets, and lets them through", async () => {
    answer = (_request, response) => response.writeHead(200).end();
    const socket = new WebSocket(`ws://127.0.0.1:${site.gatewright.ports.http}/`, {
      headers: { host: "forward.test" },
    });
    await once(socket, "open");
    socket.send("hello");
    const [message] = (await once(socket, "message")) as [Buffer];
    expect(message.toString()).toBe("hello");
    socket.terminate();
    answer = (_request, response) => response.writeHead(401).end();
    const refused = new WebSocket(`ws://127.0.0.1:${site.gatewright.ports.http}/`, {
      headers: { host: "forward.test" },
    });
    const [error] = (await once(refused, "error")) as [Error];
    expect(error.message).toContain("401");
  });

  it("asks an instance by its name, and follows it", async () => {
    await site.gatewright.put("authelia", "127.0.0.1");
    await site.serve("by-instance", {
      forward_auth: { url: `http://authelia.hypeman.internal:${auth.port}/`, copy_headers: ["Remote-User"] },
    });
    answer = (_request, response) => response.writeHead(200, { "remote-user": "bob" }).end();
    expect((await site.visit("by-instance")).body.headers["remote-user"]).toBe("bob");
  });

  it("D10: asks nobody any more once the instance is gone, whoever has its address then", async () => {
    const { url } = site.gatewright;
    await site.gatewright.put("oracle", "127.0.0.1");
    await site.serve("by-gone", {
      forward_auth: { url: `http://oracle.hypeman.internal:${auth.port}/`, copy_headers: ["Remote-User"] },
    });
    answer = (_request, response) => response.writeHead(200).end();
    expect((await site.visit("by-gone")).status).toBe(200);
    expect((await call(`${url}/instances/oracle`, { method: "DELETE" })).status).toBe(204);
    await until(async () => (await site.visit("by-gone")).status === 503);
    const before = asked.length;
    expect((await site.visit("by-gone")).status).toBe(503);
    expect(asked).toHaveLength(before);
  });

  it("never asks our own listeners", async () => {
    const { url, ports } = site.gatewright;
    for (const target of [
      `http://127.0.0.1:${ports.admin}/config/`,
      `http://localhost:${ports.api}/`,
      "http://169.254.169.254/latest",
    ]) {
      const made = { ...rule("own.test", "web", 80), policies: { forward_auth: { url: target } } };
      const refused = await createIngress({ url, name: "own", rules: [made] });
      expect([refused.status, refused.body]).toMatchObject([400, { code: "target_not_allowed" }]);
    }
    // A name is judged by the address that it has at the dial.
    await putInstance(url, "sly", "127.0.0.1");
    await site.serve("sly", { forward_auth: { url: `http://sly.hypeman.internal:${ports.admin}/config/` } });
    const answered = await site.visit("sly");
    expect(answered.status).toBeGreaterThanOrEqual(502);
    expect(answered.text).not.toContain('gatewright":');
  });
});

describe("request_header_auth", () => {
  const secret = "k".repeat(32);
  const more = { request_header_auth: { header: "X-Key", value: secret } };
  const withKey = (value: string, from?: string): VisitFrom => ({
    headers: { "x-key": value },
    ...(from === undefined ? {} : { from }),
  });

  it("comes after the rate limit: guesses are counted", async () => {
    await site.serve("guessed", { rate_limit: { requests_per_second: 0.05, burst: 3 } }, {}, more);
    const statuses: number[] = [];
    for (const guess of ["a", "b", "c", "d"])
      statuses.push((await site.visit("guessed", "/", withKey(guess.repeat(32)))).status);
    expect(statuses).toEqual([403, 403, 403, 429]);
    expect((await site.visit("guessed", "/", withKey(secret))).status).toBe(429);
  });

  it("comes after access and maintenance: their answers tell nobody whether the secret is right", async () => {
    await site.serve("denied", { access: { deny: ["127.0.0.9"] } }, {}, more);
    await site.serve("away", { maintenance: {} }, {}, more);
    for (const value of [secret, "x".repeat(32)]) {
      const denied = await site.visit("denied", "/", withKey(value, "127.0.0.9"));
      expect([denied.status, denied.text]).toEqual([403, expect.stringContaining("from this address")]);
      expect((await site.visit("away", "/", withKey(value))).status).toBe(503);
    }
    expect((await site.visit("denied", "/", withKey(secret))).status).toBe(200);
    const wrong = await site.visit("denied", "/", withKey("x".repeat(32)));
    expect([wrong.status, wrong.text]).toEqual([403, expect.stringContaining("lacks the header")]);
  });

  it("comes before forward auth, which sees the secret as little as the instance", async () => {
    await site.serve("secret", { forward_auth: { url: `http://127.0.0.1:${auth.port}/` } }, {}, more);
    asked = [];
    answer = (_request, response) => response.writeHead(204).end();
    expect((await site.visit("secret")).status).toBe(403);
    expect(asked).toEqual([]);
    const passed = await site.visit("secret", "/", withKey(secret));
    expect([passed.status, asked.length]).toEqual([200, 1]);
    expect(JSON.stringify([asked[0]?.rawHeaders, passed.text])).not.toContain(secret);
  });
});
