import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import { type IdentityProvider, JwtVerifier } from "../tokens/jwt.ts";
import { KeySet } from "../tokens/key-set.ts";

/** What verifies JWTs, and what of it has to be closed. */
export interface Jwts {
  readonly verifier: JwtVerifier;
  close(): Promise<void>;
}

/** Makes it from the settings. The identity provider is asked in the background: no start waits for it. */
export function openJwts({ api }: Config, logger: Logger): Jwts {
  const { identityProvider, previousSecret, secret } = api;
  const keys = identityProvider && new KeySet({ url: identityProvider.jwksUrl, logger });
  void keys?.fetch();
  const provider: IdentityProvider | undefined = keys && {
    keys,
    ...(identityProvider?.issuer === undefined ? {} : { issuer: identityProvider.issuer }),
    ...(identityProvider?.audience === undefined ? {} : { audience: identityProvider.audience }),
  };
  return {
    verifier: new JwtVerifier({
      ...(secret === undefined ? {} : { secret: secret.reveal() }),
      ...(previousSecret === undefined ? {} : { previousSecret: previousSecret.reveal() }),
      ...(provider === undefined ? {} : { provider }),
    }),
    close: async () => keys?.close(),
  };
}
