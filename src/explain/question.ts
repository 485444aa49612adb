import { isIP } from "node:net";
import type { ExplainQuestion } from "../caddy/caddy-api.ts";
import { GatewrightError, type Problem } from "../errors.ts";
import type { ExplainRequest } from "../model/api.ts";
import { TOKEN } from "../model/http-token.ts";

/** Ports of URLs that name none. */
export interface DefaultPorts {
  readonly http: number;
  readonly https: number;
}

const URL_PARTS = /^(https?|tls|tcp|udp):\/\/([^/?#\s]*)([^#]*)/i;
/** A query may have what it likes. */
const BROKEN_ESCAPE = /^[^?]*%(?![0-9a-f]{2})/i;
/** RFC 9110 section 5.5. */
const FIELD_VALUE = /^(?:\t|\P{Cc})*$/u;

/** What Caddy is asked about a request. Throws `bad_request` with every problem. */
export function readQuestion(request: ExplainRequest, ports: DefaultPorts): ExplainQuestion {
  const problems: Problem[] = [];
  const refuse = (field: string, reason: string): void =>
    void problems.push({ code: "invalid_value", field, message: `invalid ${field}: ${reason}` });
  const { method = "GET", headers = {}, client_ip, sni, listen_address } = request;
  const url = readUrl(request.url, ports, refuse);
  if (!TOKEN.test(method)) refuse("method", "it is no HTTP method, such as GET");
  for (const [name, value] of Object.entries(headers)) {
    // Values may be secrets, and are not repeated.
    if (!TOKEN.test(name)) refuse("headers", `${JSON.stringify(name)} is not an HTTP field name`);
    if (!FIELD_VALUE.test(value))
      refuse(`headers[${JSON.stringify(name)}]`, "the value has line breaks or control characters");
  }
  if (client_ip !== undefined && isIP(client_ip) === 0)
    refuse("client_ip", "it is no IP address, such as 203.0.113.5");
  if (listen_address !== undefined && isIP(listen_address) === 0)
    refuse("listen_address", "it is no IP address, such as 203.0.113.5");
  if (sni !== undefined && /[\s/:]/.test(sni)) refuse("sni", "it is no hostname, such as shop.example.com");
  const [first] = problems;
  if (first !== undefined || url === undefined)
    throw new GatewrightError("bad_request", `invalid request: ${first?.message}`, { details: problems });
  const { hostname, ...where } = url;
  const { host, others } = withoutHost(headers, url.host);
  return {
    ...where,
    host,
    headers: others,
    method,
    server_name: url.tls ? (sni ?? (isIP(bare(hostname)) === 0 ? hostname : "")) : "",
    connect: request.connect === true,
    ...(client_ip === undefined ? {} : { client: client_ip }),
    ...(listen_address === undefined ? {} : { local: listen_address }),
  };
}

type Url = Pick<ExplainQuestion, "network" | "port" | "tls" | "host" | "target"> & {
  readonly hostname: string;
};

function readUrl(
  text: string,
  ports: DefaultPorts,
  refuse: (field: string, reason: string) => void,
): Url | undefined {
  const [, scheme = "", authority = "", target = ""] = URL_PARTS.exec(text) ?? [];
  const kind = scheme.toLowerCase();
  const raw = kind === "tcp" || kind === "udp";
  // `tls` is no scheme that URL knows the host of.
  const parsed = URL.parse(`${kind === "http" ? "http" : "https"}://${authority || (raw ? "_" : "")}`);
  if (kind === "" || parsed === null || parsed.username !== "" || parsed.password !== "") {
    refuse(
      "url",
      "write it as https://shop.example.com/path, tls://name:port, tcp://host:port or udp://host:port",
    );
    return undefined;
  }
  if (!/^[!-~]*$/.test(target)) refuse("url", "write characters beyond ASCII, and spaces, as %xx");
  if (BROKEN_ESCAPE.test(target))
    refuse("url", "a % in the path needs two hexadecimal digits; % itself is %25");
  const tls = kind === "https" || kind === "tls";
  const port = portOf(authority) ?? (tls ? ports.https : ports.http);
  if (port < 1 || port > 65_535) refuse("url", `port ${port} is not between 1 and 65535`);
  if (raw && portOf(authority) === undefined) refuse("url", `${kind} needs a port`);
  return {
    network: raw ? kind : "http",
    port,
    tls,
    host: parsed.host,
    hostname: parsed.hostname,
    target: target.startsWith("/") ? target : `/${target}`,
  };
}

/** URL leaves out the port that is the scheme's. */
function portOf(authority: string): number | undefined {
  const [, digits] = /:(\d{1,6})$/.exec(authority) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/** Takes the Host header, which goes before the URL's host, out of the others. */
function withoutHost(headers: { readonly [name: string]: string }, host: string) {
  const entries = Object.entries(headers);
  const [, own = host] = entries.find(([name]) => name.toLowerCase() === "host") ?? [];
  const others = Object.fromEntries(
    entries.flatMap(([name, value]) => (name.toLowerCase() === "host" ? [] : [[name, [value]] as const])),
  );
  return { host: own, others };
}
