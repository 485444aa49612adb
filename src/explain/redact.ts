/** What takes the place of a secret. */
const REDACTED = "[redacted]";

/** Keys whose text is a secret, whatever it is. */
const SECRET_KEY = /pass(?:word|phrase)?$|secret|token|mac_key|private|credential|salt|api_?key/i;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** A single placeholder of Caddy's, such as `{http.request.method}`. */
const PLACEHOLDER = /^\{[\w.\-/]+\}$/;
const USER_INFO = /\/\/[^/@\s]+@/g;
const QUERY = /\?.*/s;
/** Fields that hold a URL or its part: what follows `?` may be a key. */
const urlKeys: ReadonlySet<string> = new Set(["uri", "url"]);
/** Changes of headers: their values may be credentials. */
const headerChanges: ReadonlySet<string> = new Set(["set", "add", "replace"]);

/**
 * A copy of Caddy's JSON without what may be a secret: passwords and their hashes, tokens, keys, values of headers, queries
 * of URLs. Places of secrets are told by their keys, so that handlers may come and go.
 */
export function redact(value: unknown, key = ""): unknown {
  if (typeof value === "string") return redactText(value, key);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => redact(one, key));
  const entries = Object.entries(value);
  if (headerChanges.has(key) && entries.every(([, one]) => Array.isArray(one)))
    return Object.fromEntries(
      entries.map(([name, values]) => [name, (values as unknown[]).map(headerValue)]),
    );
  return Object.fromEntries(entries.map(([name, one]) => [name, redact(one, name)]));
}

function redactText(text: string, key: string): string {
  if (text === "") return text;
  if (SECRET_KEY.test(key) || PRIVATE_KEY.test(text)) return REDACTED;
  const bare = text.replace(USER_INFO, `//${REDACTED}@`);
  return urlKeys.has(key) ? bare.replace(QUERY, `?${REDACTED}`) : bare;
}

function headerValue(value: unknown): unknown {
  return typeof value === "string" && PLACEHOLDER.test(value) ? value : REDACTED;
}
