import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** What a token of ours begins with; nothing else that the API takes does. */
const PREFIX = "gw_";
const FORM = /^gw_([a-z][a-z0-9]{23})_([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 32;

/** Whether a text is meant to be a token that was made here. */
export function isTokenText(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Makes the text of a token: its id, and a secret of 256 random bits. */
export function makeTokenText(id: string): { readonly text: string; readonly secretHash: string } {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  return { text: `${PREFIX}${id}_${secret}`, secretHash: hashOf(secret) };
}

/** The parts of such a text; undefined for any other. */
export function readTokenText(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = FORM.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** Takes as long whatever the secret is. */
export function isSecretOf(secretHash: string, secret: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(secret), "hex"), Buffer.from(secretHash, "hex"));
}

/** SHA-256, in hex. A secret of 256 random bits cannot be guessed: nothing slower is needed. */
function hashOf(secret: string): string {
  return hash("sha256", secret);
}
