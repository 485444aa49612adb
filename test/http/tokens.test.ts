import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Token } from "../../src/model/api.ts";
import { openEventStream } from "../support/event-stream.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import type { HttpReply } from "../support/http-call.ts";
import { signToken, unsignedToken } from "../support/sign-token.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-tests-of-tokens-0123456789";
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const admin = bearer(signToken(secret, { sub: "ann" }));

const api = use(() => startApi({ secret, freeGuesses: true }));

function make(
  json: object,
  headers: { readonly [name: string]: string } = admin,
  at: TestApi = api,
): Promise<HttpReply> {
  return at.call({ method: "POST", path: "/tokens", json, headers });
}

async function made(json: object): Promise<Token & { readonly token: string }> {
  const reply = await make(json);
  expect(reply.text, String(reply.status)).toContain('"token":"gw_');
  return reply.json<Token & { readonly token: string }>();
}

const statusOf = async (method: string, path: string, token: string): Promise<number> =>
  (await api.call({ method, path, headers: bearer(token) })).status;

describe("a token that was made here", () => {
  it("is shown once, and does what its scopes say", async () => {
    const reply = await make({ name: "reader", scopes: ["ingress:read"] });
    const { token, ...shown } = reply.json<Token & { readonly token: string }>();
    expect(token).toMatch(/^gw_[a-z][a-z0-9]{23}_[A-Za-z0-9_-]{43}$/);
    expect(shown).toMatchObject({
      name: "reader",
      subject: "reader",
      scopes: ["ingress:read"],
      created_by: "ann",
    });
    expect([reply.status, reply.headers.location, reply.headers["cache-control"]]).toEqual([
      201,
      `/tokens/${shown.id}`,
      "no-store",
    ]);
    expect(await statusOf("GET", "/ingresses", token)).toBe(200);
    expect(await statusOf("GET", "/instances", token)).toBe(403);
    const again = await api.call({ path: "/tokens/reader", headers: admin });
    const { last_used_at, ...rest } = again.json<Token>();
    expect(rest).toEqual(shown);
    expect(Date.parse(last_used_at ?? "")).toBeGreaterThanOrEqual(Date.parse(shown.created_at));
  });

  it("is nowhere but in that answer", async () => {
    const { id, token } = await made({ name: "hidden", scopes: ["*"] });
    await statusOf("DELETE", "/ingresses/nobody", token);
    const part = token.slice(-43);
    for (const path of ["/tokens", `/tokens/${id}`, "/events?follow=false&since=0"])
      expect((await api.call({ path, headers: admin })).text).not.toContain(part);
    expect(JSON.stringify([api.events, api.logger.entries])).not.toContain(part);
  });

  it("is taken in no other form", async () => {
    const { id, token } = await made({ name: "exact", scopes: ["*"] });
    const last = token.at(-1) === "A" ? "B" : "A";
    const [other, stored] = [await made({ name: "other", scopes: ["*"] }), hash("sha256", token.slice(-43))];
    for (const wrong of [
      token.slice(0, -1),
      `${token}A`,
      `${token.slice(0, -2)}${last}${last}`,
      token.toUpperCase(),
      `gw_${id}_`,
      `gw_${id}_${stored}`,
      `gw_${other.id}_${token.slice(-43)}`,
      `gw___proto___${token.slice(-43)}`,
      `${token} ${token}`,
    ])
      expect([wrong, await statusOf("GET", "/ingresses", wrong)]).toEqual([wrong, 401]);
    expect(await statusOf("GET", "/ingresses", token)).toBe(200);
  });

  it("says who makes changes with it", async () => {
    const { id, token } = await made({
      name: "robot",
      subject: "ci@example.com",
      scopes: ["ingress:delete"],
    });
    await statusOf("DELETE", "/ingresses/nobody", token);
    expect(api.events.at(-1)).toMatchObject({
      type: "ingress.refused",
      actor: { subject: "ci@example.com", token_id: id },
    });
  });

  it("is taken no more when it is deleted, not even by a stream that is open", async () => {
    const { id, token } = await made({ name: "watcher", scopes: ["admin:read"] });
    const kept = await made({ name: "kept", scopes: ["admin:read"] });
    using stream = await openEventStream(api.url, "", bearer(token));
    using other = await openEventStream(api.url, "", bearer(kept.token));
    const path = "/tokens/watcher";
    expect((await api.call({ method: "DELETE", path, headers: admin })).status).toBe(204);
    expect(await statusOf("GET", "/status", token)).toBe(401);
    await until(() => stream.ended !== "no");
    await other.find(
      ({ type, data }) => type === "token.deleted" && data["message"] === "token watcher is deleted",
    );
    expect([other.ended, stream.events.some(({ type }) => type === "token.deleted")]).toEqual(["no", false]);
    expect((await api.call({ path: `/tokens/${id}`, headers: admin })).status).toBe(404);
    expect((await api.call({ method: "DELETE", path, headers: admin })).status).toBe(404);
  });

  it("ends when it is said to", async () => {
    const end = new Date(Date.now() + 1_500).toISOString();
    const { token, expires_at } = await made({ name: "short", scopes: ["admin:read"], expires_at: end });
    expect(expires_at).toBe(end);
    using stream = await openEventStream(api.url, "", bearer(token));
    await until(async () => (await statusOf("GET", "/status", token)) === 401);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(end));
    await until(() => stream.ended !== "no");
    expect((await api.call({ path: "/tokens/short", headers: admin })).status).toBe(200);
  });
});

describe("POST /tokens", () => {
  it("names the nearest scope for one that does not exist", async () => {
    const reply = await make({ name: "slip", scopes: ["ingress:read", "ingres:write"] });
    expect([reply.status, reply.json()["details"]]).toEqual([
      400,
      [
        {
          code: "invalid_value",
          field: "scopes[1]",
          message: expect.stringContaining('the nearest is "ingress:write"'),
        },
      ],
    ]);
  });

  it("makes nothing that may do more than its maker", async () => {
    const maker = bearer(signToken(secret, { sub: "bob", permissions: ["admin:write", "ingress:read"] }));
    const reply = await make({ name: "more", scopes: ["ingress:read", "ingress:write", "*"] }, maker);
    expect([reply.status, reply.json()["code"], reply.json()["details"]]).toMatchObject([
      403,
      "Forbidden",
      [{ field: "scopes[1]" }, { field: "scopes[2]" }],
    ]);
    expect((await make({ name: "less", scopes: ["ingress:read"] }, maker)).status).toBe(201);
    const own = await make({ name: "chain", scopes: ["admin:write"] }, maker);
    const chained = bearer(own.json<{ token: string }>().token);
    expect((await make({ name: "grandchild", scopes: ["ingress:read"] }, chained)).status).toBe(403);
    const all = bearer(signToken(secret, { permissions: ["*"] }));
    expect((await make({ name: "all", scopes: ["*"] }, all)).status).toBe(201);
    const none = bearer(signToken(secret, { permissions: "admin:write" }));
    expect((await make({ name: "none", scopes: ["ingress:read"] }, none)).status).toBe(403);
  });

  it.each([
    [{ name: "a", scopes: [] }, 400],
    [{ name: "a", scopes: ["*", "*"] }, 400],
    [{ name: "A", scopes: ["*"] }, 400],
    [{ name: "a", scopes: ["*"], expires_in: "30d" }, 400],
    [{ name: "a", scopes: ["*"], expires_in: `${"999999999h".repeat(4)}` }, 400],
    [{ name: "a", scopes: ["*"], expires_at: "2020-01-01T00:00:00Z" }, 400],
    [{ name: "a", scopes: ["*"], expires_in: "1h", expires_at: "2920-01-01T00:00:00Z" }, 400],
    [{ name: "a", scopes: ["*"], subject: "" }, 400],
    [{ name: "a", scopes: ["*"], token: "mine" }, 400],
  ])("refuses %j", async (json, status) => {
    expect((await make(json)).status).toBe(status);
    expect(api.tokens.find("a")).toBeUndefined();
  });

  it("gives a name once", async () => {
    await made({ name: "twice", scopes: ["*"] });
    const reply = await make({ name: "twice", scopes: ["*"] });
    expect([reply.status, reply.json()["code"]]).toEqual([409, "already_exists"]);
  });
});

describe("an open API", () => {
  it("stays open when there are tokens, and holds a token to what it permits", async () => {
    await using open = await startApi();
    const reply = await make({ name: "reader", scopes: ["ingress:read"] }, {}, open);
    const { token } = reply.json<{ token: string }>();
    const status = async (path: string, headers = {}): Promise<number> =>
      (await open.call({ path, headers })).status;
    expect(await status("/instances")).toBe(200);
    expect(await status("/instances", { Authorization: "Bearer of-some-hypeman" })).toBe(200);
    expect(await status("/ingresses", bearer(token))).toBe(200);
    expect(await status("/instances", bearer(token))).toBe(403);
    expect(await status("/ingresses", bearer(`${token.slice(0, -1)}!`))).toBe(401);
    expect(await status("/ingresses", { ...bearer(token), Host: "evil.example.com" })).toBe(403);
  });
});

describe("the key of before", () => {
  const status = async (own: TestApi, key: string): Promise<number> =>
    (await own.call({ path: "/ingresses", headers: bearer(signToken(key)) })).status;

  it("is taken beside the present one, and nothing else is", async () => {
    await using own = await startApi({ secret: "new", previousSecret: "old" });
    expect([await status(own, "new"), await status(own, "old"), await status(own, "other")]).toEqual([
      200, 200, 401,
    ]);
  });

  it("is no key when it is empty", async () => {
    await using own = await startApi({ secret: "new", previousSecret: "" });
    const unsigned = await own.call({ path: "/ingresses", headers: bearer(unsignedToken()) });
    expect([await status(own, "old"), unsigned.status]).toEqual([401, 401]);
  });
});
