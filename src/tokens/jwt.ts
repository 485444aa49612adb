import { createSecretKey, type KeyObject } from "node:crypto";
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { KeySet } from "./key-set.ts";

/** Whose JWTs are taken beside those that are signed with our own key. */
export interface IdentityProvider {
  readonly keys: Pick<KeySet, "key">;
  /** What `iss` must be. Default: anything. */
  readonly issuer?: string;
  /** What `aud` must be or hold. Default: anything. */
  readonly audience?: string;
}

export interface JwtOptions {
  /** Key that is shared with those who sign tokens (JWT_SECRET). "" is no key. */
  readonly secret?: string;
  /** The key of before, which is taken too where there is a present one (JWT_SECRET_PREVIOUS). */
  readonly previousSecret?: string;
  readonly provider?: IdentityProvider;
}

/** What a JWT says, and who vouches for it. */
export interface VerifiedJwt {
  readonly by: "secret" | "provider";
  readonly claims: JWTPayload;
}

/**
 * Which key an algorithm takes is decided here alone, before any key is looked at: a public key is never a secret, whatever
 * a token says of itself.
 */
const secretAlgorithms: readonly string[] = ["HS256", "HS384", "HS512"];
const providerAlgorithms: readonly string[] = ["RS256", "ES256", "EdDSA"];

/** Clocks of other machines may differ by so much. */
const LEEWAY_SECONDS = 10;

/** Verifies JWTs. */
export class JwtVerifier {
  #secrets: readonly KeyObject[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #provider: IdentityProvider | undefined;

  constructor({ provider, ...secrets }: JwtOptions) {
    this.renew(secrets);
    this.#provider = provider;
  }

  /** Takes these keys from now on, and no others. */
  renew({ previousSecret = "", secret = "" }: Omit<JwtOptions, "provider">): void {
    const secrets = secret === "" ? [] : [secret, previousSecret];
    const before = this.#secrets;
    this.#secrets = secrets.flatMap((one) => (one === "" ? [] : createSecretKey(one, "utf8")));
    const isTaken = (key: KeyObject) => this.#secrets.some((one) => one.equals(key));
    if (!before.every(isTaken)) for (const listener of this.#listeners) listener();
  }

  /** Calls the listener when tokens that were valid are valid no more, since their key is taken no more. */
  watchRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether nobody's tokens can be verified, since there is neither a key nor a provider. */
  get isIdle(): boolean {
    return this.#secrets.length === 0 && this.#provider === undefined;
  }

  /**
   * The claims of a JWT; undefined for one that is not valid, without saying why: a forger learns nothing. Our own: `exp` and
   * `nbf` are checked when present, without leeway. An identity provider's need an `exp`. Throws
   * `identity_provider_unavailable`.
   */
  async verify(text: string): Promise<VerifiedJwt | undefined> {
    const algorithm = algorithmOf(text);
    if (secretAlgorithms.includes(algorithm)) {
      for (const secret of this.#secrets) {
        const claims = await valid(() => jwtVerify(text, secret, { algorithms: [...secretAlgorithms] }));
        if (claims !== undefined) return { by: "secret", claims };
      }
      return undefined;
    }
    const provider = this.#provider;
    if (provider === undefined || !providerAlgorithms.includes(algorithm)) return undefined;
    const claims = await valid(() =>
      jwtVerify(text, (...token) => provider.keys.key(...token), {
        algorithms: [...providerAlgorithms],
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ["exp"],
        ...(provider.issuer === undefined ? {} : { issuer: provider.issuer }),
        ...(provider.audience === undefined ? {} : { audience: provider.audience }),
      }),
    );
    return claims === undefined ? undefined : { by: "provider", claims };
  }
}

function algorithmOf(text: string): string {
  try {
    return String(decodeProtectedHeader(text).alg);
  } catch {
    return "";
  }
}

/** Undefined where jose refuses, and for keys of the set that cannot be used, which are TypeErrors. */
async function valid(
  verify: () => Promise<{ readonly payload: JWTPayload }>,
): Promise<JWTPayload | undefined> {
  try {
    return (await verify()).payload;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException)
      return undefined;
    throw error;
  }
}
