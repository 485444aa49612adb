import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

type Algorithm = "RS256" | "ES256" | "EdDSA";

/** A key of the provider's. */
export interface ProviderKey {
  readonly kid: string;
  readonly jwk: JWK;
  /** Signs claims; the header can be made to say anything. */
  sign(claims: JWTPayload, header?: object): Promise<string>;
}

/** A loopback server with a JSON Web Key Set. */
export interface IdentityProviderServer extends AsyncDisposable {
  readonly url: string;
  /** What the set has. */
  keys: readonly JWK[];
  /** Answers in place of the set, when set. */
  fault: ((response: ServerResponse) => void) | undefined;
  /** How often the set was asked for. */
  readonly asked: number;
}

export async function startIdentityProvider(
  keys: readonly ProviderKey[] = [],
  port = 0,
): Promise<IdentityProviderServer> {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.setHeader("Content-Type", "application/jwk-set+json");
    if (provider.fault !== undefined) provider.fault(response);
    else response.end(JSON.stringify({ keys: provider.keys }));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const provider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    keys: keys.map(({ jwk }) => jwk),
    fault: undefined as IdentityProviderServer["fault"],
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return provider;
}

export async function providerKey(alg: Algorithm, kid: string): Promise<ProviderKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    kid,
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(privateKey),
  };
}

/** Claims of a token that ends in a minute. */
export function claimsOf(claims: JWTPayload = {}): JWTPayload {
  return { sub: "ann", exp: Math.floor(Date.now() / 1000) + 60, ...claims };
}
