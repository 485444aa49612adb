import type { FrontDoor, Layer4App, Layer4Server, ListenerWrapper } from "../caddy-json/config.ts";
import type { Ingress, IngressRule, Policies } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { isLayer4, protocolOf } from "../model/protocol.ts";
import { endedTls } from "./connection-policies.ts";
import { isUnspecified, listenAddress, sharedAddress } from "./listen-address.ts";
import type { PortUse } from "./port-use.ts";
import type { Row, RowLayer4 } from "./row.ts";
import type { CompilerSettings } from "./settings.ts";
import { importedCertificatePath } from "./tls.ts";
import type { TlsNeed } from "./tls-needs.ts";

/** What a rule of layer 4 adds to its row; undefined for a rule of HTTP. */
export function rowLayer4(rule: IngressRule, settings: CompilerSettings): RowLayer4 | undefined {
  if (!isLayer4(rule)) return undefined;
  const { policies = {}, upstream = {} } = rule;
  const protocol = protocolOf(rule);
  const { proxy_protocol } = upstream;
  return {
    protocol: protocol === "tcp" && rule.tls ? "tls" : (protocol as RowLayer4["protocol"]),
    ...(rule.tls ? { terminate: true } : {}),
    ...policyFields(policies),
    ...(proxy_protocol === undefined ? {} : { proxy_protocol }),
    ...networkFields(policies),
    ...(policies.access_log === undefined ? {} : { access_log: policies.access_log }),
    ...tlsField(rule, settings),
  };
}

function policyFields(policies: Policies): Partial<RowLayer4> {
  const { load_balancing, health_check, timeouts, max_connections } = policies;
  const { active, passive } = health_check ?? {};
  const { policy = "round_robin" } = load_balancing ?? {};
  return {
    ...(policy === "round_robin" ? {} : { policy: policy as NonNullable<RowLayer4["policy"]> }),
    ...msField("connect_timeout_ms", timeouts?.connect),
    ...msField("idle_timeout_ms", timeouts?.idle),
    ...(max_connections === undefined ? {} : { max_connections }),
    ...(active === undefined ? {} : { health: true }),
    ...(passive?.max_fails === undefined ? {} : { max_fails: passive.max_fails }),
    ...msField("fail_duration_ms", passive?.fail_duration),
  };
}

function msField<Key extends string>(key: Key, text: string | undefined): { readonly [key in Key]?: number } {
  const ms = text === undefined ? undefined : durationMs(text);
  return (ms === undefined ? {} : { [key]: Math.ceil(ms) }) as { readonly [key in Key]?: number };
}

function networkFields({ access }: Policies): Partial<RowLayer4> {
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

function tlsField({ upstream }: IngressRule, settings: CompilerSettings): Pick<RowLayer4, "tls"> {
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

/** The app of ports that no HTTP server has; undefined without any. */
export function layer4App(
  ports: readonly PortUse[],
  needs: readonly TlsNeed[],
  settings: CompilerSettings,
): Layer4App | undefined {
  const tcp = ports
    .filter((use) => hasLayer4(use) && !isHttpPort(use))
    .map((use) => tcpServer(use, needs, settings));
  const udp = ports.flatMap((use) => (use.udp === undefined ? [] : addressesOf(use.udp, use.port, settings)));
  if (tcp.length === 0 && udp.length === 0) return undefined;
  return { ...(tcp.length === 0 ? {} : { tcp }), ...(udp.length === 0 ? {} : { udp }) };
}

function tcpServer(use: PortUse, needs: readonly TlsNeed[], settings: CompilerSettings): Layer4Server {
  return {
    listen: addressesOf(use.listen, use.port, settings).map(sharedAddress),
    ...proxyProtocol(settings),
    ...(use.ends === true ? endedTls(needs) : {}),
  };
}

/** What stands before an HTTP server; nothing before one that speaks plain HTTP alone to whoever comes. */
export function frontDoor(
  use: PortUse,
  needs: readonly TlsNeed[],
  settings: CompilerSettings,
): readonly ListenerWrapper[] {
  const proxied = proxyProtocol(settings);
  if (!use.tls && !isShared(use) && proxied.proxy_protocol_from === undefined) return [];
  return [
    {
      wrapper: "gatewright",
      ...proxied,
      ...(isShared(use) ? { shared: true } : {}),
      ...(use.tls || use.ends === true ? endedTls(needs) : {}),
    },
  ];
}

/** Whether what comes to an HTTP server's port may be plain, or belong to TLS or to layer 4. */
export function isShared(use: PortUse): boolean {
  return hasLayer4(use) || (use.tls && use.plain);
}

function proxyProtocol({
  proxyProtocol: networks = [],
}: CompilerSettings): Pick<FrontDoor, "proxy_protocol_from"> {
  return networks.length === 0 ? {} : { proxy_protocol_from: networks.map(prefixOf) };
}

/** Whether an HTTP server has the port. */
export function isHttpPort({ plain, tls }: PortUse): boolean {
  return plain || tls;
}

/** Whether connections of the port are of layer 4, some or all. */
function hasLayer4({ names, whole }: PortUse): boolean {
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
  const bound = all.has(usual) && isUnspecified(usual) ? [usual] : [...all];
  return bound.map((address) => listenAddress(address, port));
}

/** The listen addresses as a row has them. */
export function listenField({ listen }: Pick<Ingress, "listen">): Pick<Row, "listen"> {
  return listen === undefined ? {} : { listen };
}
