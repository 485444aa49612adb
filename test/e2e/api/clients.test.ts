import { describe, expect, it } from "vitest";
import type { Session, Token } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { apiByName, apiHost, callByName, type NamedCall } from "../../support/api-site.ts";
import { token as admin } from "../../support/authorized.ts";
import { freePort } from "../../support/free-port.ts";
import { claimsOf, providerKey, startIdentityProvider } from "../../support/identity-provider.ts";
import { signToken } from "../../support/sign-token.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const port = await freePort();
const site = useGatewright({ ...apiByName, JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks.json` });

describe("an identity provider", () => {
  it("is away at the start, and keeps out nobody who does not need it; its tokens are taken once it is there", async () => {
    const key = await providerKey("ES256", "first");
    const headers = {
      authorization: `Bearer ${await key.sign(claimsOf({ scope: "openid ingress:read" }))}`,
    };
    const ask = async (): Promise<number> => (await call(`${site.url}/ingresses`, { headers })).status;
    expect(await ask()).toBe(503);
    const body = { name: "here", scopes: ["ingress:read"] };
    const made = await call<Token>(`${site.url}/tokens`, { body, headers: admin });
    const own = { authorization: `Bearer ${made.body.token}` };
    expect((await call(`${site.url}/ingresses`, { headers: own })).status).toBe(200);
    await using _provider = await startIdentityProvider([key], port);
    await until(async () => (await ask()) === 200);
    expect((await call(`${site.url}/instances`, { headers })).status).toBe(403);
  });
});

describe("the API by its name", () => {
  it("slows guessing down for the client that guesses, whatever it says where it is, and for no other", async () => {
    let guesses = 0;
    const guess = async (how: NamedCall): Promise<number> => {
      const headers = { authorization: `Bearer ${signToken(`guess-${guesses++}`)}`, ...how.headers };
      return (await callByName(site, "/ingresses", { ...how, headers })).status;
    };
    const statuses: number[] = [];
    for (let index = 0; index < 12; index++)
      statuses.push(await guess({ from: "127.0.0.8", headers: { "x-real-ip": `203.0.113.${index}` } }));
    expect(statuses).toEqual([...Array.from({ length: 11 }, () => 401), 429]);
    expect(await guess({ from: "127.0.0.9" })).toBe(401);
  });

  it("gives browsers a cookie that is for TLS and this host alone", async () => {
    const origin = `https://${apiHost}:${site.ports.https}`;
    const host = `${apiHost}:${site.ports.https}`;
    const logIn = await callByName<Session>(site, "/session", {
      method: "POST",
      body: JSON.stringify({ token: admin.authorization.slice("Bearer ".length) }),
      headers: { authorization: "", host, origin },
    });
    expect([logIn.status, logIn.body.kind]).toEqual([200, "session"]);
    const cookie = String(logIn.headers["set-cookie"]);
    expect(cookie).toMatch(
      /^__Host-gatewright_session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const headers = { authorization: "", cookie: cookie.split(";")[0] ?? "", host };
    const remove = (more: { readonly [name: string]: string }) =>
      callByName(site, "/ingresses/nobody", { method: "DELETE", headers: { ...headers, ...more } });
    expect((await callByName(site, "/ingresses", { headers })).status).toBe(200);
    expect((await remove({ origin })).status).toBe(404);
    expect((await remove({ origin: "https://shop.example.test" })).status).toBe(403);
    expect((await remove({})).status).toBe(403);
  });
});
