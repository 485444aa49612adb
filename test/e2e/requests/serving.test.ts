import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Ingress } from "../../../src/model/api.ts";
import { call, type createIngress, rule, visit } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend("one"));
const gatewright = useGatewright({}, ["web-1"]);

const make = (name: string, ...rules: Parameters<typeof createIngress>[0]["rules"][number][]) =>
  gatewright.create(name, ...rules);

describe("an ingress created over REST", () => {
  it("is served as soon as the answer is there, and gone with its deletion", async () => {
    const created = await make("shop", rule("shop.example.com", "web-1", backend.port));
    expect(created.status, created.text).toBe(201);
    expect(created.body.rules[0]?.match.port).toBe(gatewright.ports.http);
    const answer = await gatewright.visit<Seen>("shop.example.com", "/a?b=c");
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ backend: "one", url: "/a?b=c", host: "shop.example.com" });
    expect((await call(`${gatewright.url}/ingresses/shop`, { method: "DELETE" })).status).toBe(204);
    const gone = await gatewright
      .visit("shop.example.com")
      .catch((error: NodeJS.ErrnoException) => error.code);
    expect(typeof gone === "object" ? gone.status : gone).toSatisfy(
      (value) => value === 404 || value === "ECONNREFUSED",
    );
  });

  it("answers 404 with the hostname for what nobody claims", async () => {
    await make("claimed", rule("claimed.example.com", "web-1", backend.port));
    const answer = await gatewright.visit("nobody.example.com:80");
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.text).toBe("Not Found: no ingress configured for hostname nobody.example.com");
  });

  it("finds the instance that a pattern captures, and several captures in one target", async () => {
    await gatewright.put("api-blue", "127.0.0.1");
    await make("dev", rule("{instance}.dev.example.com", "{instance}", backend.port));
    await make("pr", rule("{a}.{b}.pr.example.com", "{a}-{b}", backend.port));
    expect((await gatewright.visit("web-1.dev.example.com")).status).toBe(200);
    expect((await gatewright.visit("WEB-1.dev.Example.com.")).status).toBe(200);
    expect((await gatewright.visit("api.blue.pr.example.com")).status).toBe(200);
    expect((await gatewright.visit("web-1.x.dev.example.com")).status).toBe(404);
  });

  it("has error pages that name the ingress and nothing of the inside", async () => {
    const closed = await freePort();
    await make("broken", rule("broken.example.com", "web-1", closed));
    await make("ghosts", rule("{instance}.ghost.example.com", "{instance}", 80));
    const json = await visit<{ ingress: string; code: string }>(
      gatewright.ports.http,
      "broken.example.com",
      "/",
      {
        headers: { accept: "application/json" },
      },
    );
    expect([json.status, json.body.ingress]).toEqual([502, "broken"]);
    const html = await gatewright.visit("nobody.ghost.example.com", "/", {
      headers: { accept: "text/html" },
    });
    expect(html.status).toBe(503);
    expect(html.headers["content-type"]).toContain("text/html");
    expect(html.text).toContain("ghosts");
    for (const { text } of [json, html])
      expect(text).not.toMatch(/127\.0\.0\.1|hypeman\.internal|dial|lookup|:\d{4}/);
    expect(html.headers["retry-after"]).toBeDefined();
  });

  it("takes PUT and PATCH with If-Match, and serves the change", async () => {
    const created = await make("change", rule("before.example.com", "web-1", backend.port));
    const url = `${gatewright.url}/ingresses/${created.body.id}`;
    const etag = String((await call(url)).headers["etag"]);
    const next = { name: "change", rules: [rule("after.example.com", "web-1", backend.port)] };
    expect((await call(url, { method: "PUT", body: next, headers: { "if-match": '"other"' } })).status).toBe(
      412,
    );
    expect((await gatewright.visit("before.example.com")).status).toBe(200);
    expect((await call(url, { method: "PUT", body: next, headers: { "if-match": etag } })).status).toBe(200);
    expect((await gatewright.visit("before.example.com")).status).toBe(404);
    expect((await gatewright.visit("after.example.com")).status).toBe(200);
    const patched = await call<Ingress>(url, { method: "PATCH", body: { tags: { team: "web" } } });
    expect([patched.status, patched.body.tags, patched.body.created_at]).toEqual([
      200,
      { team: "web" },
      created.body.created_at,
    ]);
  });

  it("reaches an instance at its new address with the next request", async () => {
    await using moved = await startBackend("moved", "127.0.0.2", backend.port);
    await gatewright.put("mover", "127.0.0.1");
    await make("mover", rule("mover.example.com", "mover", backend.port));
    expect((await gatewright.visit<Seen>("mover.example.com")).body.backend).toBe("one");
    await gatewright.put("mover", moved.address);
    // Long before the time is over for which an address counts.
    await until(
      async () => (await gatewright.visit<Seen>("mover.example.com")).body.backend === "moved",
      10_000,
    );
    await gatewright.put("mover", moved.address, { state: "Stopped" });
    await until(async () => (await gatewright.visit("mover.example.com")).status === 503, 10_000);
  });
});

describe("request_header_auth", () => {
  it("lets only the secret through, and takes it away", async () => {
    const value = "0123456789abcdef0123456789abcdef-Z";
    const auth = { request_header_auth: { header: "X-Key", value } };
    await make("secret", rule("secret.example.com", "web-1", backend.port, {}, auth));
    const before = backend.requests();
    expect((await gatewright.visit("secret.example.com")).status).toBe(403);
    expect(
      (await gatewright.visit("secret.example.com", "/", { headers: { "x-key": `${value}x` } })).status,
    ).toBe(403);
    expect(backend.requests()).toBe(before);
    const answer = await gatewright.visit<Seen>("secret.example.com", "/", { headers: { "x-key": value } });
    expect([answer.status, answer.body.headers["x-key"]]).toEqual([200, undefined]);
  });
});

describe("connections", () => {
  it("stay open through changes of other ingresses: WebSockets, events, keep-alive", async () => {
    await make("held", rule("held.example.com", "web-1", backend.port));
    const socket = new WebSocket(`ws://127.0.0.1:${gatewright.ports.http}/`, {
      headers: { host: "held.example.com" },
    });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const events = await fetch(`http://127.0.0.1:${gatewright.ports.http}/events`, {
      headers: { host: "held.example.com" },
    }).catch(() => undefined);
    for (let round = 0; round < 10; round += 1) {
      // Every other one opens a port and closes it again: a reload each.
      const match = round % 2 === 0 ? {} : { port: await freePort() };
      const created = await make(
        `other-${round}`,
        rule(`other-${round}.example.com`, "web-1", backend.port, match),
      );
      expect(created.status, created.text).toBe(201);
      if (round % 3 === 0) await call(`${gatewright.url}/ingresses/other-${round}`, { method: "DELETE" });
    }
    const echoed = new Promise((resolve) => socket.once("message", (message) => resolve(message.toString())));
    socket.send("still here");
    expect(await echoed).toBe("still here");
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await events?.body?.cancel();
    socket.terminate();
  });
});

describe("ports", () => {
  it("are opened with their first rule and closed after their last", async () => {
    const port = await freePort();
    expect((await make("own-port", rule("own.example.com", "web-1", backend.port, { port }))).status).toBe(
      201,
    );
    expect((await visit(port, "own.example.com")).status).toBe(200);
    expect((await gatewright.visit("own.example.com")).status).toBe(404);
    await call(`${gatewright.url}/ingresses/own-port`, { method: "DELETE" });
    await until(
      async () =>
        (await visit(port, "own.example.com").catch((error: NodeJS.ErrnoException) => error.code)) ===
        "ECONNREFUSED",
    );
  });

  it("of somebody else are refused as port_in_use, and nothing changes", async () => {
    const answer = await make(
      "taken",
      rule("taken.example.com", "web-1", backend.port, { port: backend.port }),
    );
    expect([answer.status, (answer.body as unknown as { code: string }).code]).toEqual([409, "port_in_use"]);
    expect((await call(`${gatewright.url}/ingresses/taken`)).status).toBe(404);
    expect((await make("taken", rule("taken.example.com", "web-1", backend.port))).status).toBe(201);
    expect((await gatewright.visit("taken.example.com")).status).toBe(200);
  });
});
