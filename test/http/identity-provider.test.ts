import { createPublicKey } from "node:crypto";
import type { JWK, JWTPayload } from "jose";
import { describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { KeySet } from "../../src/tokens/key-set.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { httpCall } from "../support/http-call.ts";
import {
  claimsOf,
  type IdentityProviderServer,
  providerKey,
  startIdentityProvider,
} from "../support/identity-provider.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { signedText, signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-tests-of-providers-0123456789";
const keys = await Promise.all([
  providerKey("RS256", "rsa"),
  providerKey("ES256", "ec"),
  providerKey("EdDSA", "ed"),
]);
const [rsa, ec, ed] = keys;
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

interface World extends AsyncDisposable {
  readonly api: TestApi;
  readonly server: IdentityProviderServer;
}

async function world(how: { readonly issuer?: string; readonly audience?: string } = {}): Promise<World> {
  const server = await startIdentityProvider(keys);
  const keySet = new KeySet({ url: server.url, logger: recordingLogger(), againMs: 0 });
  const api = await startApi({ secret, provider: { keys: keySet, ...how }, freeGuesses: true });
  return {
    api,
    server,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await keySet.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const own = use(world);
const status = async (token: string, path = "/ingresses", at: World = own): Promise<number> =>
  (await at.api.call({ path, headers: bearer(token) })).status;
const signed = (claims: JWTPayload): Promise<string> =>
  rsa.sign(claimsOf({ permissions: ["ingress:read"], ...claims }));

describe("a JWT of an identity provider", () => {
  it.each([
    ["RS256", rsa],
    ["ES256", ec],
    ["EdDSA", ed],
  ])("is taken when %s signed it, and says who makes changes", async (_algorithm, key) => {
    const token = await key.sign(claimsOf({ sub: "ann@example.com", jti: "j1", permissions: ["*"] }));
    const reply = await own.api.call({ method: "DELETE", path: "/ingresses/nobody", headers: bearer(token) });
    expect(reply.status).toBe(404);
    expect(own.api.events.at(-1)).toMatchObject({
      type: "ingress.refused",
      actor: { subject: "ann@example.com", token_id: "j1" },
    });
  });

  it.each<[string, JWTPayload, number]>([
    ["a list of permissions", { permissions: ["ingress:read", "read:mail"] }, 200],
    ["words in scope, as OAuth has them", { scope: "openid ingress:read" }, 200],
    ["words in scp", { scp: "ingress:read" }, 200],
    ["a list in scp", { scp: ["ingress:read"] }, 200],
    ["other scopes", { scope: "openid ingress:reader xingress:read" }, 403],
    ["permissions, which go before its scope", { permissions: [], scope: "ingress:read" }, 403],
    ["permissions that are no list", { permissions: "ingress:read" }, 403],
    ["nothing", {}, 403],
  ])("permits what it says: %s", async (_what, claims, expected) => {
    expect(await status(await rsa.sign(claimsOf(claims)))).toBe(expected);
    expect(await status(await rsa.sign(claimsOf(claims)), "/instances")).toBe(403);
  });

  it("is held to its limits", async () => {
    const { api } = own;
    await api.registry.put("vm-1", { network: { ip: "10.0.0.1" } });
    const limits = { hostnames: ["*.red.example.com"] };
    const headers = bearer(await rsa.sign(claimsOf({ sub: "red", limits, permissions: ["*"] })));
    const create = (hostname: string) => {
      const json = { name: "a", rules: [{ match: { hostname }, target: { instance: "vm-1", port: 80 } }] };
      return api.call({ method: "POST", path: "/ingresses", json, headers });
    };
    expect((await create("a.blue.example.com")).status).toBe(403);
    expect((await create("a.red.example.com")).json<Ingress>().owner).toBe("red");
    const unreadable = await rsa.sign(claimsOf({ sub: "red", limits: "none", permissions: ["*"] }));
    expect(await status(unreadable)).toBe(401);
  });

  it("is refused without an end, after it, and before its time", async () => {
    const now = Math.floor(Date.now() / 1000);
    expect(await status(await signed({}))).toBe(200);
    for (const claims of [{ exp: undefined }, { exp: now - 60 }, { nbf: now + 60 }])
      expect([claims, await status(await signed(claims as JWTPayload))]).toEqual([claims, 401]);
  });

  it("has to come from the issuer and be for the audience that are set", async () => {
    await using strict = await world({ issuer: "https://id.test/", audience: "gatewright" });
    const right = { iss: "https://id.test/", aud: ["other", "gatewright"] };
    const of = async (claims: JWTPayload) => status(await signed(claims), "/ingresses", strict);
    expect(await of(right)).toBe(200);
    expect(await of({ ...right, aud: "gatewright" })).toBe(200);
    for (const wrong of [{ iss: "https://id.test" }, { aud: "other" }, { aud: [] }])
      expect([wrong, await of({ ...right, ...wrong })]).toEqual([wrong, 401]);
    expect(await of({ iss: "https://id.test/" })).toBe(401);
    // Those of hypeman have neither.
    expect(await status(signToken(secret), "/ingresses", strict)).toBe(200);
  });
});

describe("a forged JWT", () => {
  const all = JSON.stringify(claimsOf({ permissions: ["*"] }));
  const pem = (jwk: JWK): string =>
    createPublicKey({ key: jwk as never, format: "jwk" })
      .export({ type: "spki", format: "pem" })
      .toString();

  it.each([
    ["the key as it is published", () => JSON.stringify(rsa.jwk)],
    ["its PEM", () => pem(rsa.jwk)],
    ["its PEM without the last line end", () => pem(rsa.jwk).trim()],
    ["its modulus", () => rsa.jwk.n ?? ""],
    ["a PEM of another kind", () => pem(ec.jwk)],
    ["a coordinate", () => ec.jwk.x ?? ""],
  ])("is refused that has a public key for a secret: %s", async (_what, material) => {
    for (const header of [{}, { kid: "rsa" }, { kid: "ec" }, { alg: "RS256", kid: "rsa" }])
      expect(await status(signedText(material(), all, "HS256", header))).toBe(401);
  });

  it("is refused that our own secret signed as if it were a provider's", async () => {
    for (const alg of ["RS256", "ES256", "EdDSA", "none", "HS999", "hs256", ""])
      for (const kid of ["rsa", "ec", "ed"])
        expect([alg, await status(signedText(secret, all, "HS256", { alg, kid }))]).toEqual([alg, 401]);
    expect(await status(signedText(secret, all, "HS256", { kid: "rsa" }))).toBe(200);
  });

  it("is refused that names a key of another kind, or brings its own", async () => {
    const claims = claimsOf({ permissions: ["*"] });
    const stranger = await providerKey("RS256", "rsa");
    for (const header of [
      { kid: "ec" },
      { kid: "ed" },
      { kid: "nobody" },
      { kid: "__proto__" },
      { kid: 1 },
      { alg: "ES256" },
      { alg: "PS256" },
    ]) {
      const [head, ...rest] = (await rsa.sign(claims)).split(".");
      const read = JSON.parse(Buffer.from(head ?? "", "base64url").toString()) as object;
      const changed = Buffer.from(JSON.stringify({ ...read, ...header })).toString("base64url");
      expect([header, await status([changed, ...rest].join("."))]).toEqual([header, 401]);
    }
    for (const header of [{}, { jwk: stranger.jwk }, { jku: own.server.url }, { x5u: own.server.url }])
      expect([header, await status(await stranger.sign(claims, header))]).toEqual([header, 401]);
  });

  it("is refused for keys of a set that are not for signatures, or are secret", async () => {
    const claims = claimsOf({ permissions: ["*"] });
    const shared = { kty: "oct", k: Buffer.from("shared").toString("base64url"), kid: "oct" };
    const withSet = async (jwks: readonly JWK[], token: string): Promise<number> => {
      await using other = await world();
      other.server.keys = jwks;
      return await status(token, "/ingresses", other);
    };
    const unnamed = await rsa.sign(claims, { kid: undefined });
    expect(await withSet([{ ...rsa.jwk, use: "enc" }], unnamed)).toBe(401);
    expect(await withSet([{ ...rsa.jwk, alg: "RS512" }], unnamed)).toBe(401);
    expect(await withSet([shared], unnamed)).toBe(401);
    const forged = signedText("shared", JSON.stringify(claims), "HS256", { kid: "oct" });
    expect(await withSet([shared], forged)).toBe(401);
    // Without a name it must be clear which key is meant.
    expect(await withSet([rsa.jwk, { ...rsa.jwk, kid: "twin" }], unnamed)).toBe(401);
    expect(await withSet([rsa.jwk], unnamed)).toBe(200);
  });
});

describe("an identity provider that is away", () => {
  it("keeps nobody out who does not need it, and says so to those who do", async () => {
    await using away = await world();
    away.server.fault = (response) => response.destroy();
    const { api } = away;
    const admin = bearer(signToken(secret));
    const made = await api.call({
      method: "POST",
      path: "/tokens",
      json: { name: "here", scopes: ["ingress:read"] },
      headers: admin,
    });
    expect(await status(made.json<{ token: string }>().token, "/ingresses", away)).toBe(200);
    const reply = await api.call({ path: "/ingresses", headers: bearer(await signed({})) });
    expect([reply.status, reply.headers["retry-after"], reply.json()["code"]]).toEqual([
      503,
      "1",
      "identity_provider_unavailable",
    ]);
    expect(reply.text).not.toContain(away.server.url);
    expect(await status(signToken("another secret"), "/ingresses", away)).toBe(401);
    away.server.fault = undefined;
    expect(await status(await signed({}), "/ingresses", away)).toBe(200);
  });

  it("is enough to close an API that has no secret", async () => {
    await using server = await startIdentityProvider(keys);
    const keySet = new KeySet({ url: server.url, logger: recordingLogger() });
    await using api = await startApi({ provider: { keys: keySet } });
    const ask = async (headers = {}) => (await httpCall(api.url, { path: "/ingresses", headers })).status;
    expect(await ask()).toBe(401);
    expect(await ask(bearer(signToken("")))).toBe(401);
    expect(await ask(bearer(await signed({})))).toBe(200);
    await keySet.close();
  });
});
