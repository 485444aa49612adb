import type { HeaderOps, HeadersHandler } from "../caddy-json/handlers.ts";
import { literal, sortedEntries } from "../caddy-json/literal.ts";
import type { RequestHeaderChanges, ResponseHeaderChanges } from "../model/api.ts";
import { TOKEN } from "../model/http-token.ts";
import { quote } from "../model/wording.ts";
import type { Policy } from "./policy.ts";
import type { Report } from "./report.ts";

/** What the proxy needs itself, for the framing of messages and the connection (RFC 9110 section 7.6.1). */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** RFC 9110 section 5.5, without the obsolete bytes above ASCII. */
const FIELD_VALUE = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/;

/**
 * Changes of headers. Those of responses are not made to pages of Gatewright's own. Those of requests are made by the
 * proxy: it makes them after it has set its own, so that they may change those too, and after it has taken out what the
 * client named in Connection.
 */
export const headers: Policy<"headers"> = {
  key: "headers",
  problems({ request, response }, report) {
    if (request !== undefined) changeProblems(request, "request", report);
    if (response !== undefined) changeProblems(response, "response", report);
  },
  requestHeaders: ({ request = {} }) => headerOps(request),
  handlers({ response }) {
    if (response === undefined) return [];
    const handler: HeadersHandler = {
      handler: "headers",
      response: { ...headerOps(response), deferred: true },
    };
    return [handler];
  },
};

/** Why a policy may not name a header; undefined when it may. */
export function headerNameProblem(name: string): string | undefined {
  // `*` is a letter of names in HTTP, and a wildcard to Caddy.
  if (!TOKEN.test(name) || name.includes("*")) return `${quote(name)} is not an HTTP field name`;
  const lower = name.toLowerCase();
  if (!connectionHeaders.has(lower) && !lower.startsWith("sec-websocket-")) return undefined;
  return `${quote(name)} belongs to the connection`;
}

/** The changes as Caddy's JSON has them. */
function headerOps({ add = {}, set = {}, remove = [] }: ResponseHeaderChanges): HeaderOps {
  return {
    ...(Object.keys(add).length === 0 ? {} : { add: fields(add) }),
    ...(Object.keys(set).length === 0 ? {} : { set: fields(set) }),
    ...(remove.length === 0 ? {} : { delete: [...remove].sort() }),
  };
}

function fields(map: { readonly [name: string]: string }): { readonly [name: string]: readonly string[] } {
  return Object.fromEntries(sortedEntries(map).map(([name, value]) => [name, [literal(value)]]));
}

function changeProblems(
  { set = {}, add = {}, remove = [] }: RequestHeaderChanges,
  side: "request" | "response",
  report: Report,
): void {
  const names: (readonly [name: string, part: string])[] = [
    ...Object.keys(set).map((name) => [name, `${side}.set[${quote(name)}]`] as const),
    ...Object.keys(add).map((name) => [name, `${side}.add[${quote(name)}]`] as const),
    ...remove.map((name, index) => [name, `${side}.remove[${index}]`] as const),
  ];
  const seen = new Set<string>();
  for (const [name, part] of names) {
    const lower = name.toLowerCase();
    const problem = headerNameProblem(name);
    if (side === "request" && lower === "host")
      report.refuse(part, "the Host header is set by upstream.host_header");
    else if (problem !== undefined) report.refuse(part, problem);
    else if (seen.has(lower))
      report.refuse(part, `${quote(name)} is named twice; put each header into one of set, add and remove`);
    seen.add(lower);
  }
  // The value may be a credential, so it is not repeated.
  for (const [kind, map] of Object.entries({ set, add }))
    for (const [name, value] of Object.entries(map))
      if (!FIELD_VALUE.test(value))
        report.refuse(
          `${side}.${kind}[${quote(name)}]`,
          "the value must be ASCII without line breaks or outer spaces",
        );
}
