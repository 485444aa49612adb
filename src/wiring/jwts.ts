import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import { type IdentityProvider, type JwtOptions, JwtVerifier } from "../tokens/jwt.ts";
import { KeySet } from "../tokens/key-set.ts";

/** What verifies JWTs, and what of it has to be closed. */
export interface Jwts {
  readonly verifier: JwtVerifier;
  close(): Promise<void>;
}

/** Makes it from the settings. The identity provider is asked in the background: no start waits for it. */
export function openJwts({ api }: Config, logger: Logger): Jwts {
  const { identityProvider } = api;
  const keys = identityProvider && new KeySet({ url: identityProvider.jwksUrl, logger });
  void keys?.fetch();
  const provider: IdentityProvider | undefined = keys && {
    keys,
    ...(identityProvider?.issuer === undefined ? {} : { issuer: identityProvider.issuer }),
    ...(identityProvider?.audience === undefined ? {} : { audience: identityProvider.audience }),
  };
  return {
    verifier: new JwtVerifier({
      ...jwtSecrets(api),
      ...(provider === undefined ? {} : { provider }),
    }),
    close: async () => keys?.close(),
  };
}

/** The keys that are shared with those who sign tokens. */
export function jwtSecrets({ previousSecret, secret }: Config["api"]): Omit<JwtOptions, "provider"> {
  return {
    ...(secret === undefined ? {} : { secret: secret.reveal() }),
    ...(previousSecret === undefined ? {} : { previousSecret: previousSecret.reveal() }),
  };
}
