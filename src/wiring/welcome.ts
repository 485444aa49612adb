import { listenAddress } from "../compiler/http-servers.ts";
import type { Config } from "../config.ts";

/** How this machine reaches the API: by a URL, and through a socket where it listens at nothing else. */
export function apiReach({ api, caddy }: Pick<Config, "api" | "caddy">): {
  readonly url: string;
  readonly socketPath?: string | undefined;
} {
  const [url = "http://localhost"] = apiUrls(api, caddy);
  return { url, socketPath: api.addresses.length === 0 ? api.sockets[0] : undefined };
}

/** What an end prints for a person: that Caddy goes on, and how it ends. */
export function farewell({ caddy, calledAs }: Pick<Config, "caddy" | "calledAs">): string {
  return caddy.stopOnShutdown
    ? "\nGatewright and Caddy have ended.\n"
    : `\nGatewright has ended. Caddy goes on serving, and the next start finds it; \`${calledAs} stop --caddy\` ends it.\n`;
}

/** What a start prints for a person: where everything is, and three lines to try it. */
export function welcome({ api, caddy, calledAs, dns, instances }: Config): string {
  const [, ...others] = apiUrls(api, caddy);
  const { url: base, socketPath: socket } = apiReach({ api, caddy });
  const curl = socket === undefined ? "curl" : `curl --unix-socket ${socket}`;
  const auth = api.secret === undefined ? "" : ' -H "Authorization: Bearer $TOKEN"';
  const json = `${auth} -H 'content-type: application/json'`;
  const listen = (port: number): string => listenAddress(caddy.listenAddress, port);
  const open = api.secret === undefined ? ", open to this machine: JWT_SECRET is not set" : "";
  const lines = [
    "",
    "Gatewright is ready.",
    `  API    ${socket ?? `${base}  (dashboard: ${base}/, docs: ${base}/docs)${open}`}`,
    ...others.map((url) => `         ${url}`),
    `  DNS    ${listenAddress(dns.address, dns.port)}, zone ${dns.zone}`,
    `  Caddy  ${listen(caddy.httpPort)} for HTTP and ${listen(caddy.httpsPort)} for HTTPS by default; a port opens with its first rule`,
    "",
    "Try it, with something of yours on port 3000 (or python3 -m http.server 3000):",
    ...(instances.source === "registry"
      ? [`  ${curl} -X PUT ${base}/instances/hello${json} -d '{"network":{"ip":"127.0.0.1"}}'`]
      : []),
    `  ${curl} ${base}/ingresses${json} -d '{"name":"hello","rules":[{"match":{"hostname":"hello.localhost","port":8000},"target":{"instance":"hello","port":3000}}]}'`,
    "  curl -H 'Host: hello.localhost' http://127.0.0.1:8000/",
    "",
    `Or have it shown on three samples: ${calledAs} demo`,
    caddy.stopOnShutdown
      ? "Ctrl-C ends Gatewright and Caddy."
      : `Ctrl-C ends Gatewright; Caddy goes on serving until: ${calledAs} stop --caddy`,
    "",
  ];
  return lines.join("\n");
}

/** Where the API answers: the addresses, the name, the sockets. */
function apiUrls({ addresses, hostname, port, sockets }: Config["api"], caddy: Config["caddy"]): string[] {
  const ofAddresses = addresses.map(
    (address) => `http://${listenAddress(address === "0.0.0.0" ? "127.0.0.1" : address, port)}`,
  );
  const [scheme, at, usual] =
    hostname?.tls === true ? ["https", caddy.httpsPort, 443] : ["http", caddy.httpPort, 80];
  const byName =
    hostname === undefined ? [] : [`${scheme}://${hostname.name}${at === usual ? "" : `:${at}`}`];
  return addresses.length === 0
    ? ["http://localhost", ...byName, ...sockets.slice(1)]
    : [...ofAddresses, ...byName, ...sockets];
}
