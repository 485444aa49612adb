import { TOKEN } from "../model/http-token.ts";
import type { Policy } from "./policy.ts";

/** Headers that the protocol or the proxy itself uses, as hypeman lists them. */
const reservedHeaders: ReadonlySet<string> = new Set([
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

/**
 * 403 without the header and its secret. Which header that is and the secret's hash are in the row of the rule
 * (compiler/rows.ts), so that rules with other secrets share the handler.
 */
export const requestHeaderAuth: Policy<"request_header_auth"> = {
  key: "request_header_auth",
  inRule: true,
  /**
   * In hypeman's words. Neither text is repeated, for a secret may have been put into the wrong one; reserved names are
   * known ones.
   */
  problems({ header, value }, report) {
    const refuse = (part: "header" | "value", reason: string): void =>
      report.refuseAsWhole(part, `request_header_auth.${part} ${reason}`);
    const name = header.toLowerCase();
    if (!TOKEN.test(header)) refuse("header", "must be a valid HTTP field name");
    else if (reservedHeaders.has(name) || name.startsWith(RESERVED_PREFIX))
      refuse("header", `${JSON.stringify(header)} is reserved; use a name of your own`);
    if (!SECRET.test(value))
      refuse("value", "must be 32-256 bytes of visible ASCII without Caddy matcher metacharacters");
  },
  handlers: () => [{ handler: "gatewright_header_auth" }],
};
