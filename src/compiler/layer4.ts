import type {
  GatewrightUdpApp,
  Layer4App,
  Layer4Handler,
  ListenerWrapper,
  TlsConnectionPolicy,
} from "../caddy-json/config.ts";
import type { Ingress, IngressRule, Policies } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { isStream, protocolOf } from "../model/protocol.ts";
import type { PortUse } from "./config-needs.ts";
import { listenAddress, sharedAddress } from "./listen-address.ts";
import type { Route, RouteStream } from "./route.ts";
import type { CompilerSettings } from "./settings.ts";
import { importedCertificatePath } from "./tls.ts";

/** What a rule of layer 4 adds to its row; undefined for a rule of HTTP. */
export function routeStream(rule: IngressRule, settings: CompilerSettings): RouteStream | undefined {
  if (!isStream(rule)) return undefined;
  const { policies = {}, upstream = {} } = rule;
  const protocol = protocolOf(rule);
  const { proxy_protocol } = upstream;
  return {
    protocol: protocol === "tcp" && rule.tls ? "tls" : (protocol as RouteStream["protocol"]),
    ...(rule.tls ? { terminate: true } : {}),
    ...policyFields(policies),
    ...(proxy_protocol === undefined ? {} : { proxy_protocol }),
    ...networkFields(policies),
    ...tlsField(rule, settings),
  };
}

function policyFields(policies: Policies): Partial<RouteStream> {
  const { load_balancing, health_check, timeouts, max_connections } = policies;
  const passive = health_check?.passive;
  const { policy = "round_robin" } = load_balancing ?? {};
  return {
    ...(policy === "round_robin" ? {} : { policy: policy as NonNullable<RouteStream["policy"]> }),
    ...msField("connect_timeout_ms", timeouts?.connect),
    ...msField("idle_timeout_ms", timeouts?.idle),
    ...(max_connections === undefined ? {} : { max_connections }),
    ...(passive?.max_fails === undefined ? {} : { max_fails: passive.max_fails }),
    ...msField("fail_duration_ms", passive?.fail_duration),
  };
}

function msField<Key extends string>(key: Key, text: string | undefined): { readonly [key in Key]?: number } {
  const ms = text === undefined ? undefined : durationMs(text);
  return (ms === undefined ? {} : { [key]: Math.ceil(ms) }) as { readonly [key in Key]?: number };
}

function networkFields({ access }: Policies): Partial<RouteStream> {
  const { allow, deny } = access ?? {};
  return {
    ...(allow === undefined ? {} : { allow: allow.map(prefixOf) }),
    ...(deny === undefined ? {} : { deny: deny.map(prefixOf) }),
  };
}

function prefixOf(network: string): string {
  if (network.includes("/")) return network;
  return `${network}/${network.includes(":") ? 128 : 32}`;
}

function tlsField({ upstream }: IngressRule, settings: CompilerSettings): Pick<RouteStream, "tls"> {
  const tls = upstream?.tls;
  if (tls === undefined) return {};
  const { server_name, ca_pem, insecure_skip_verify, certificate } = tls;
  return {
    tls: {
      ...(server_name === undefined ? {} : { server_name }),
      ...(ca_pem === undefined ? {} : { ca_pem }),
      ...(insecure_skip_verify === true ? { insecure_skip_verify } : {}),
      ...(certificate === undefined
        ? {}
        : clientCertificate(importedCertificatePath(settings.folder, certificate))),
    },
  };
}

/** One file has both. */
function clientCertificate(path: string): { readonly certificate_file: string; readonly key_file: string } {
  return { certificate_file: path, key_file: path };
}

/** Whether this Gatewright serves an ingress: one that names no gateway is served by all. */
export function isServedHere(
  { gateways }: Pick<Ingress, "gateways">,
  { gateway }: CompilerSettings,
): boolean {
  return gateways === undefined || (gateway !== undefined && gateways.includes(gateway));
}

/** The app of TCP ports that no HTTP server has; undefined without any. */
export function layer4App(
  ports: readonly PortUse[],
  policiesOf: (port: number) => readonly TlsConnectionPolicy[],
  settings: CompilerSettings,
): Layer4App | undefined {
  const own = ports.filter((use) => isStreamPort(use) && !isHttpPort(use));
  if (own.length === 0) return undefined;
  const server = (use: PortUse) => ({
    listen: addressesOf(use.listen, use.port, settings).map(sharedAddress),
    routes: [{ handle: handlersOf(use, policiesOf(use.port), settings) }],
  });
  return { servers: Object.fromEntries(own.map((use) => [`tcp-${use.port}`, server(use)])) };
}

function handlersOf(
  use: PortUse,
  policies: readonly TlsConnectionPolicy[],
  { proxyProtocol = [] }: CompilerSettings,
): readonly Layer4Handler[] {
  const from = proxyProtocol.length === 0 ? {} : { proxy_protocol_from: proxyProtocol.map(prefixOf) };
  const ends = use.ends === true ? { connection_policies: policies } : {};
  return [{ handler: "gatewright", port: use.port, ...from, ...ends }];
}

/**
 * In front of an HTTP server whose port has names of layer 4 too: these are passed on before TLS is ended, what is
 * left goes to the server, ACME's TLS-ALPN challenge answered on the way.
 */
export function streamWrapper(
  { port, ends }: PortUse,
  tls: Layer4Handler,
  policies: readonly TlsConnectionPolicy[],
): ListenerWrapper {
  const ours = { handler: "gatewright", port, http: true } as const;
  const first = { ...ours, ...(ends === true ? { connection_policies: policies } : {}) };
  return {
    wrapper: "layer4",
    routes: [{ handle: [first] }, { match: [{ tls: {} }], handle: [tls, ours] }],
  };
}

/** The sockets of UDP; undefined without any. */
export function udpApp(ports: readonly PortUse[], settings: CompilerSettings): GatewrightUdpApp | undefined {
  const listen = ports.flatMap(({ port, udp }) =>
    udp === undefined ? [] : addressesOf(udp, port, settings),
  );
  return listen.length === 0 ? undefined : { listen };
}

/** Whether an HTTP server has the port. */
export function isHttpPort({ plain, tls }: PortUse): boolean {
  return plain || tls;
}

/** Whether connections of the port are of layer 4, some or all. */
export function isStreamPort({ names, whole }: PortUse): boolean {
  return names === true || whole === true;
}

/** What a port is bound on: the addresses that its rules name, and the setting's for those that name none. */
export function addressesOf(
  addresses: readonly string[] | undefined,
  port: number,
  { listenAddress: usual }: CompilerSettings,
): readonly string[] {
  const all = new Set((addresses ?? [""]).map((address) => (address === "" ? usual : address)));
  // The unspecified address has all others of its family.
  const wide = all.has("0.0.0.0") || all.has("::") || all.has("");
  const bound = wide && all.has(usual) && isUnspecified(usual) ? [usual] : [...all];
  return bound.map((address) => listenAddress(address, port));
}

function isUnspecified(address: string): boolean {
  return address === "0.0.0.0" || address === "::" || address === "";
}

/** The listen addresses as a row has them. */
export function listenField({ listen }: Pick<Ingress, "listen">): Pick<Route, "listen"> {
  return listen === undefined ? {} : { listen };
}
