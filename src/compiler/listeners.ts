import type { CaddyConfig } from "../caddy-json/config.ts";
import { addressesOf } from "./layer4.ts";
import { isUnspecified } from "./listen-address.ts";
import { usesTcp } from "./port-counts.ts";
import type { PortUse } from "./port-use.ts";
import type { CompilerSettings } from "./settings.ts";

/** One socket that Caddy listens on. */
export interface Listener {
  readonly network: "tcp" | "udp";
  /** IP address; "" for all. */
  readonly address: string;
  readonly port: number;
}

/** Equal for the same socket. */
export function listenerKey({ network, address, port }: Listener): string {
  return `${network} ${address} ${port}`;
}

/** The sockets that uses of ports need. */
export function listenersOf(ports: readonly PortUse[], settings: CompilerSettings): readonly Listener[] {
  return ports.flatMap((use) => [
    ...(usesTcp(use) ? sockets("tcp", use.listen, use.port, settings) : []),
    ...(use.udp === undefined ? [] : sockets("udp", use.udp, use.port, settings)),
  ]);
}

function sockets(
  network: Listener["network"],
  addresses: readonly string[] | undefined,
  port: number,
  settings: CompilerSettings,
): Listener[] {
  return addressesOf(addresses, port, settings).map((text) => parseListener(network, text));
}

/** Reads `ip:port`, with IPv6 in brackets, and the network before it, as in `udp/`. */
function parseListener(network: Listener["network"], text: string): Listener {
  const address = text.replace(/^(?:gatewright|tcp|udp)\//, "");
  const colon = address.lastIndexOf(":");
  return {
    network,
    address: address.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(colon + 1)),
  };
}

/** The sockets of a configuration that runs, also of one that is not ours. */
export function listenersIn(apps: Partial<CaddyConfig["apps"]> | null | undefined): readonly Listener[] {
  const { http, gatewright_layer4: layer4 } = apps ?? {};
  const tcp: readonly { readonly listen?: readonly string[] }[] = [
    ...Object.values(http?.servers ?? {}),
    ...(layer4?.tcp ?? []),
  ];
  return [
    ...tcp.flatMap(({ listen = [] }) => listen.map((text) => parseListener("tcp", text))),
    ...(layer4?.udp ?? []).map((text) => parseListener("udp", text)),
  ];
}

/** Whether our Caddy has the socket, or one on the same port that could keep a probe from binding it. */
export function isOwn(listener: Listener, own: ReadonlySet<string>): boolean {
  if (own.has(listenerKey(listener))) return true;
  return [...own].some((key) => {
    const [network, address = "", port] = key.split(" ");
    if (network !== listener.network || port !== String(listener.port)) return false;
    return isUnspecified(address) || isUnspecified(listener.address);
  });
}
