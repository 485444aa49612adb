import type { Problem } from "../errors.ts";
import type { RequestHeaderAuth } from "../model/api.ts";
import { TOKEN } from "../model/http-token.ts";
import { ruleField } from "../model/wording.ts";

/** Headers that the protocol or the proxy itself uses, as hypeman lists them. */
const RESERVED: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const RESERVED_PREFIX = "sec-websocket-";

/** Visible ASCII without `*`, `{` and `}`. */
const SECRET = /^[!-)+-z|~]{32,256}$/;
const SECRET_RULE =
  "request_header_auth.value must be 32-256 bytes of visible ASCII without Caddy matcher metacharacters";

/**
 * The problems of a rule's header secret, in hypeman's words.
 * Neither text is repeated, for a secret may have been put into the wrong one; reserved names are known ones.
 */
export function headerAuthProblems(auth: RequestHeaderAuth, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const refuse = (part: "header" | "value", message: string): void => {
    problems.push({
      code: "invalid_value",
      field: ruleField(ruleIndex, `request_header_auth.${part}`),
      message: `invalid request_header_auth in rule ${ruleIndex}: ${message}`,
    });
  };
  const name = auth.header.toLowerCase();
  if (!TOKEN.test(auth.header))
    refuse("header", "request_header_auth.header must be a valid HTTP field name");
  else if (RESERVED.has(name) || name.startsWith(RESERVED_PREFIX)) {
    refuse(
      "header",
      `request_header_auth.header ${JSON.stringify(auth.header)} is reserved; use a name of your own`,
    );
  }
  if (!SECRET.test(auth.value)) refuse("value", SECRET_RULE);
  return problems;
}
