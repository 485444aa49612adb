import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { GatewrightError } from "../../errors.ts";

/** What every sealed value begins with: the format and its version. */
const MAGIC = Buffer.from("GW1");
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = MAGIC.length + KEY_ID_BYTES + NONCE_BYTES;

interface StoreKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

/**
 * Encrypts values with AES-256-GCM: `GW1`, 8 bytes that tell the key, 12 random bytes, ciphertext and tag. A value is bound
 * to its place: what was sealed for one does not open at another. The first key seals, all open.
 */
export class Sealer {
  #keys: readonly StoreKey[];

  /** @param keys 32 bytes each, in base64 */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map(storeKeyOf);
  }

  /** Takes these keys instead, from the next value on. */
  renew(keys: readonly string[]): void {
    this.#keys = keys.map(storeKeyOf);
  }

  /** @param nonce for tests; default: random */
  seal(place: string, value: string | Buffer, nonce: Buffer = randomBytes(NONCE_BYTES)): Buffer {
    const [first] = this.#keys;
    if (first === undefined) throw new GatewrightError("internal_error", "There is no key to seal with.");
    const cipher = createCipheriv("aes-256-gcm", first.key, nonce).setAAD(Buffer.from(place));
    const sealed = [cipher.update(value as string), cipher.final()];
    return Buffer.concat([MAGIC, first.id, nonce, ...sealed, cipher.getAuthTag()]);
  }

  /** Whether a value is sealed, with whatever key. */
  isSealed(value: Buffer): boolean {
    return value.subarray(0, MAGIC.length).equals(MAGIC);
  }

  /** Whether a sealed value was sealed with the first key. */
  isCurrent(sealed: Buffer): boolean {
    const id = sealed.subarray(MAGIC.length, MAGIC.length + KEY_ID_BYTES);
    return this.#keys[0]?.id.equals(id) === true;
  }

  /** Throws `store_unavailable` for what is not sealed, was sealed with another key or for another place, or was changed. */
  open(place: string, sealed: Buffer): Buffer {
    if (sealed.length < HEAD_BYTES + TAG_BYTES || !sealed.subarray(0, MAGIC.length).equals(MAGIC))
      throw unreadable(place, "it is not encrypted as Gatewright does it");
    const id = sealed.subarray(MAGIC.length, MAGIC.length + KEY_ID_BYTES);
    const found = this.#keys.find((one) => one.id.equals(id));
    if (found === undefined) throw unreadable(place, `STORE_KEY has no key ${id.toString("hex")}`);
    const decipher = createDecipheriv(
      "aes-256-gcm",
      found.key,
      sealed.subarray(MAGIC.length + KEY_ID_BYTES, HEAD_BYTES),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch {
      throw unreadable(place, "it was changed by somebody without the key, or is another key's value");
    }
  }
}

function storeKeyOf(text: string): StoreKey {
  const key = Buffer.from(text, "base64");
  const digest = createHash("sha256").update("gatewright store key").update(key).digest();
  return { id: digest.subarray(0, KEY_ID_BYTES), key };
}

function unreadable(place: string, reason: string): GatewrightError {
  return new GatewrightError("store_unavailable", `The value of ${place} in etcd cannot be read: ${reason}.`);
}
