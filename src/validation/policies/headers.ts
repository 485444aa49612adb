import type { HeadersPolicy, RequestHeaderChanges } from "../../model/api.ts";
import { TOKEN } from "../header-auth.ts";
import { quote } from "../wording.ts";
import type { Report } from "./report.ts";

/** What the proxy needs itself, for the framing of messages and the connection (RFC 9110 section 7.6.1). */
const CONNECTION: ReadonlySet<string> = new Set([
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

/** Whether a header is for the connection alone, so that no policy may touch it. */
export function connectionHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return CONNECTION.has(lower) || lower.startsWith("sec-websocket-");
}

export function headersProblems({ request, response }: HeadersPolicy, report: Report): void {
  if (request !== undefined) changeProblems(request, "request", report);
  if (response !== undefined) changeProblems(response, "response", report);
}

function changeProblems(
  { set = {}, add = {}, remove = [] }: RequestHeaderChanges,
  side: "request" | "response",
  report: Report,
): void {
  const part = `policies.headers.${side}`;
  const places: (readonly [name: string, place: string])[] = [
    ...Object.keys(set).map((name) => [name, `${part}.set[${quote(name)}]`] as const),
    ...Object.keys(add).map((name) => [name, `${part}.add[${quote(name)}]`] as const),
    ...remove.map((name, index) => [name, `${part}.remove[${index}]`] as const),
  ];
  const seen = new Set<string>();
  for (const [name, place] of places) {
    const lower = name.toLowerCase();
    // `*` is a letter of names in HTTP, and a wildcard to Caddy.
    if (!TOKEN.test(name) || name.includes("*"))
      report.refuse(place, `${quote(name)} is not an HTTP field name`);
    else if (side === "request" && lower === "host")
      report.refuse(place, "the Host header is set by upstream.host_header");
    else if (connectionHeader(name))
      report.refuse(place, `${quote(name)} belongs to the connection and cannot be changed`);
    else if (seen.has(lower))
      report.refuse(place, `${quote(name)} is named twice; put each header into one of set, add and remove`);
    seen.add(lower);
  }
  for (const [kind, map] of [
    ["set", set],
    ["add", add],
  ] as const) {
    for (const [name, value] of Object.entries(map)) {
      // The value may be a credential, so it is not repeated.
      if (FIELD_VALUE.test(value)) continue;
      report.refuse(
        `${part}.${kind}[${quote(name)}]`,
        "the value must be ASCII without line breaks or outer spaces",
      );
    }
  }
}
