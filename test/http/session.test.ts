import { describe, expect, it } from "vitest";
import type { Ingress, Session, Token } from "../../src/model/api.ts";
import { undocumented } from "../contract/documented.ts";
import { openEventStream } from "../support/event-stream.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import type { HttpReply } from "../support/http-call.ts";
import { signToken } from "../support/sign-token.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-tests-of-sessions-0123456789";
const admin = signToken(secret, { sub: "root" });
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
type Headers = { readonly [name: string]: string };

const api = use(() => startApi({ secret }));

async function made(name: string, json: object, at: TestApi = api): Promise<Token & { token: string }> {
  const call = { method: "POST", path: "/tokens", json: { name, ...json }, headers: bearer(admin) };
  return (await at.call(call)).json<Token & { token: string }>();
}

async function logIn(token?: string, headers: Headers = {}, at: TestApi = api): Promise<HttpReply> {
  const body = token === undefined ? {} : { json: { token } };
  const reply = await at.call({ method: "POST", path: "/session", headers, ...body });
  expect(undocumented("POST", "/session", reply)).toBeUndefined();
  return reply;
}

const setCookie = (reply: HttpReply): string => reply.headers["set-cookie"]?.join("\n") ?? "";

/** The header of a browser that has logged in. */
async function cookieOf(token: string, at: TestApi = api): Promise<{ readonly Cookie: string }> {
  const reply = await logIn(token, {}, at);
  expect(reply.status, reply.text).toBe(200);
  return { Cookie: setCookie(reply).split(";")[0] ?? "" };
}

async function who(headers: Headers, at: TestApi = api): Promise<HttpReply> {
  const reply = await at.call({ path: "/session", headers });
  expect(undocumented("GET", "/session", reply)).toBeUndefined();
  return reply;
}

const ENDED = "security requirements failed: the session has ended: log in again";

describe("POST /session", () => {
  it("lets a browser do what its token permits, and says what that is", async () => {
    const { id, token } = await made("reader", { scopes: ["ingress:read"], expires_in: "1h" });
    const reply = await logIn(token);
    expect(setCookie(reply)).toMatch(
      new RegExp(`^gatewright_session_${api.port}=[\\w-]{43}; Path=/; HttpOnly; SameSite=Strict$`),
    );
    const cookie = { Cookie: setCookie(reply).split(";")[0] ?? "" };
    const session = reply.json<Session>();
    expect(session).toEqual({
      kind: "session",
      subject: "reader",
      token_id: id,
      scopes: ["ingress:read"],
      expires_at: api.tokens.find(id)?.expires_at,
    });
    expect((await who(cookie)).json()).toEqual(session);
    expect((await api.call({ path: "/ingresses", headers: cookie })).status).toBe(200);
    expect((await api.call({ path: "/instances", headers: cookie })).status).toBe(403);
    expect(`${reply.text}${setCookie(reply)}`).not.toContain(token.slice(-43));
  });

  it("takes JWTs, and ends with them", async () => {
    const exp = Math.floor(Date.now() / 1000) + 600;
    const cookie = await cookieOf(signToken(secret, { sub: "ann", exp }));
    expect((await who(cookie)).json()).toEqual({
      kind: "session",
      subject: "ann",
      scopes: ["*"],
      expires_at: new Date(exp * 1000).toISOString(),
    });
    const free = (await who(await cookieOf(admin))).json<Session>();
    expect(Date.parse(free.expires_at ?? "") - Date.now()).toBeLessThanOrEqual(12 * 3_600_000);
  });

  it.each([
    ["a wrong token", { token: "gw_x" }, 401],
    ["a forged JWT", { token: signToken("other") }, 401],
    ["no token", {}, 401],
    ["an unknown key", { tokens: "x" }, 400],
    ["a token of two words", { token: `${admin} x` }, 400],
    ["no object", 1, 400],
    ["more than any token has", { token: "x".repeat(17_000) }, 413],
  ])("refuses %s", async (_what, json, status) => {
    const reply = await api.call({ method: "POST", path: "/session", json });
    expect([reply.status, setCookie(reply)]).toEqual([status, ""]);
    expect(undocumented("POST", "/session", reply)).toBeUndefined();
  });

  it("ends the session that there was before", async () => {
    const before = await cookieOf(admin);
    const { token } = await made("next", { scopes: ["admin:read"] });
    const reply = await logIn(token, before);
    expect(reply.json<Session>().subject).toBe("next");
    expect((await who(before)).json()["message"]).toBe(ENDED);
  });

  it("gives a cookie that over TLS is for TLS alone, and takes no other there", async () => {
    for (const headers of [
      { "X-Forwarded-Proto": "https" },
      { Origin: "https://localhost", Host: "localhost" },
    ]) {
      const cookie = setCookie(await logIn(admin, headers as Headers));
      expect(cookie).toMatch(
        /^__Host-gatewright_session_\d+=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
      );
      const Cookie = cookie.split(";")[0] ?? "";
      const forwarded = { "X-Forwarded-Proto": "https" };
      expect((await who({ Cookie, ...forwarded })).status).toBe(200);
      const planted = { Cookie: Cookie.replace("__Host-", ""), ...forwarded };
      expect((await who(planted)).json()["message"]).toContain("authorization header required");
    }
  });

  it("is refused to other sites, which would have a browser act for somebody else", async () => {
    for (const headers of [
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
      { Origin: "null" },
    ]) {
      const reply = await logIn(admin, headers as Headers);
      expect([headers, reply.status, setCookie(reply)]).toEqual([headers, 403, ""]);
    }
  });

  it("begins so many sessions for one subject, and then ends the oldest", async () => {
    const token = signToken(secret, { sub: "many" });
    const cookies: (typeof other)[] = [];
    const other = await cookieOf(admin);
    for (let index = 0; index < 51; index++) cookies.push(await cookieOf(token));
    const statuses = await Promise.all([...cookies, other].map(async (cookie) => (await who(cookie)).status));
    expect(statuses).toEqual([401, ...Array.from({ length: 51 }, () => 200)]);
  });
});

describe("a session", () => {
  it("of a team's token shows and changes what is the team's alone", async () => {
    await using own = await startApi({ secret });
    await own.registry.put("vm-1", { network: { ip: "10.0.0.1" } });
    const create = (name: string, hostname: string, headers: Headers): Promise<HttpReply> => {
      const json = { name, rules: [{ match: { hostname }, target: { instance: "vm-1", port: 80 } }] };
      return own.call({ method: "POST", path: "/ingresses", json, headers });
    };
    const limits = { hostnames: ["*.red.example.com"] };
    const { token } = await made("red", { scopes: ["ingress:read", "ingress:write"], limits }, own);
    const red = { ...(await cookieOf(token, own)), Origin: own.url };
    expect((await who(red, own)).json<Session>().limits).toEqual(limits);
    await create("theirs", "a.blue.example.com", bearer(admin));
    expect((await create("mine", "b.blue.example.com", red)).status).toBe(403);
    expect((await create("mine", "a.red.example.com", red)).json<Ingress>().owner).toBe("red");
    const listed = await own.call({ path: "/ingresses", headers: red });
    expect(listed.json<readonly Ingress[]>().map(({ name }) => name)).toEqual(["mine"]);
    expect((await own.call({ path: "/ingresses/theirs", headers: red })).status).toBe(404);
    expect((await own.call({ path: "/status", headers: red })).status).toBe(403);
  });

  it("counts for calls of our own pages alone, whatever other sites have a browser send", async () => {
    const cookie = await cookieOf(admin);
    const status = async (method: string, headers: Headers): Promise<number> => {
      const body = method === "POST" ? { json: { name: "bad name" } } : {};
      const path = method === "DELETE" ? "/ingresses/nobody" : "/ingresses";
      return (await api.call({ method, path, headers: { ...cookie, ...headers }, ...body })).status;
    };
    const own = { Origin: api.url };
    for (const [headers, reads, writes] of [
      [{}, 200, 403],
      [own, 200, 400],
      [{ "Sec-Fetch-Site": "same-origin" }, 200, 400],
      [{ "Sec-Fetch-Site": "none" }, 200, 403],
      [{ "Sec-Fetch-Site": "same-site", ...own }, 403, 403],
      [{ "Sec-Fetch-Site": "cross-site", ...own }, 403, 403],
      [{ "Sec-Fetch-Site": "" }, 403, 403],
      [{ Origin: "https://evil.example.com" }, 403, 403],
      [{ Origin: "null" }, 403, 403],
      [{ Origin: `http://127.0.0.1:${api.port + 1}` }, 403, 403],
    ] as const) {
      const given = [headers, await status("GET", headers), await status("POST", headers)];
      expect(given).toEqual([headers, reads, writes]);
      const deleted = await status("DELETE", headers);
      expect([headers, deleted]).toEqual([headers, writes === 400 ? 404 : 403]);
    }
    // Who sends a token was not tricked into it.
    const both = { ...cookie, ...bearer(admin), Origin: "https://evil.example.com" };
    expect((await api.call({ method: "DELETE", path: "/ingresses/nobody", headers: both })).status).toBe(404);
  });

  it("gives way to a token that is sent too", async () => {
    const { token } = await made("both", { scopes: ["ingress:read"] });
    const headers = { ...(await cookieOf(admin)), ...bearer(token) };
    expect((await who(headers)).json()).toMatchObject({ kind: "token", subject: "both" });
    expect((await who({ ...headers, ...bearer("gw_wrong") })).status).toBe(401);
  });

  it("says who makes changes, and that its token is used", async () => {
    const { id, token } = await made("robot", { scopes: ["ingress:delete"], subject: "ann" });
    const cookie = await cookieOf(token);
    const used = Date.parse(api.tokens.find(id)?.last_used_at ?? "");
    const headers = { ...cookie, Origin: api.url };
    await until(() => Date.now() > used);
    await api.call({ method: "DELETE", path: "/ingresses/nobody", headers });
    expect(api.events.at(-1)).toMatchObject({
      type: "ingress.refused",
      actor: { subject: "ann", token_id: id },
    });
    expect(Date.parse(api.tokens.find(id)?.last_used_at ?? "")).toBeGreaterThan(used);
  });

  it("ends with its token, its streams too", async () => {
    const { token } = await made("gone", { scopes: ["admin:read"] });
    const cookie = await cookieOf(token);
    using stream = await openEventStream(api.url, "", cookie);
    await api.call({ method: "DELETE", path: "/tokens/gone", headers: bearer(admin) });
    const reply = await who(cookie);
    expect([reply.status, reply.json()["message"]]).toEqual([401, ENDED]);
    // The browser forgets it.
    expect(setCookie(reply)).toMatch(/^gatewright_session_\d+=; Path=\/; Expires=Thu, 01 Jan 1970/);
    await until(() => stream.ended !== "no");
  });

  it("ends when the key is taken no more that its JWT is signed with", async () => {
    await using own = await startApi({ secret });
    const cookie = await cookieOf(admin, own);
    own.jwts.renew({ secret: "another-secret-of-the-tests-of-sessions", previousSecret: secret });
    expect((await who(cookie, own)).status).toBe(200);
    own.jwts.renew({ secret: "another-secret-of-the-tests-of-sessions" });
    expect((await who(cookie, own)).json()["message"]).toBe(ENDED);
    own.jwts.renew({ secret });
    expect((await who(cookie, own)).status).toBe(401);
  });

  it("ends after its time, its streams too", async () => {
    await using own = await startApi({ secret, sessionMs: 1_000 });
    const cookie = await cookieOf(admin, own);
    using stream = await openEventStream(own.url, "", cookie);
    await until(async () => (await who(cookie, own)).status === 401);
    await until(() => stream.ended !== "no");
  });

  it("is in the memory of one process", async () => {
    const cookie = await cookieOf(admin);
    await using next = await startApi({ secret });
    const moved = { Cookie: cookie.Cookie.replace(String(api.port), String(next.port)) };
    expect((await who(moved, next)).json()["message"]).toBe(ENDED);
  });

  it("leaves nothing of its cookie in logs and events", async () => {
    const cookie = await cookieOf(admin);
    await api.call({ method: "DELETE", path: "/ingresses/nobody", headers: { ...cookie, Origin: api.url } });
    const part = cookie.Cookie.slice(-43);
    expect(JSON.stringify([api.events, api.logger.entries])).not.toContain(part);
  });
});

describe("DELETE /session", () => {
  it("logs out, ends the streams of this session and of no other, and can be repeated", async () => {
    const [cookie, other] = [await cookieOf(admin), await cookieOf(admin)];
    using stream = await openEventStream(api.url, "", cookie);
    using kept = await openEventStream(api.url, "", other);
    const out = (headers: Headers) => api.call({ method: "DELETE", path: "/session", headers });
    expect((await out(cookie)).status).toBe(403);
    const reply = await out({ ...cookie, Origin: api.url });
    expect([reply.status, setCookie(reply)]).toEqual([
      204,
      expect.stringContaining("Expires=Thu, 01 Jan 1970"),
    ]);
    await until(() => stream.ended !== "no");
    expect([(await who(cookie)).status, (await who(other)).status, kept.ended]).toEqual([401, 200, "no"]);
    expect((await out({ ...cookie, Origin: api.url })).status).toBe(204);
    expect((await out({})).status).toBe(204);
  });
});

describe("GET /session", () => {
  it("says who calls with a token, and needs none of its scopes", async () => {
    const none = signToken(secret, { sub: "ann", jti: "j1", permissions: ["of:others"] });
    expect((await who(bearer(none))).json()).toEqual({
      kind: "token",
      subject: "ann",
      token_id: "j1",
      scopes: [],
    });
    const reply = await who({});
    expect([reply.status, reply.json()["message"]]).toEqual([
      401,
      "security requirements failed: authorization header required",
    ]);
  });
});

describe("an open API", () => {
  const open = use(() => startApi());

  it("needs no login, and shows what a team sees to whoever logs in as one", async () => {
    expect((await who({}, open)).json()).toEqual({ kind: "open", subject: "anonymous", scopes: ["*"] });
    const none = await logIn(undefined, {}, open);
    expect([none.status, none.json()["kind"], setCookie(none)]).toEqual([200, "open", ""]);
    const { token } = await made("team", { scopes: ["ingress:read"], limits: {} }, open);
    const cookie = await cookieOf(token, open);
    expect((await who(cookie, open)).json()).toMatchObject({ kind: "session", subject: "team", limits: {} });
    expect((await open.call({ path: "/instances", headers: cookie })).status).toBe(403);
    const back = await logIn(undefined, { ...cookie, Origin: open.url }, open);
    expect([back.json()["kind"], setCookie(back)]).toEqual(["open", expect.stringContaining("=; ")]);
    // And does not become everything when it ends.
    expect((await who(cookie, open)).status).toBe(401);
  });

  it("knows no JWTs, which nothing could verify", async () => {
    expect((await logIn(admin, {}, open)).status).toBe(401);
  });
});
