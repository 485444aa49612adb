import { isIP } from "node:net";

/** What keepalived is to do on a gateway. */
export interface KeepalivedOptions {
  /** Addresses that move, with their prefix length, such as `192.0.2.10/24`. */
  readonly addresses: readonly string[];
  /** The network interface on which they are, such as `eth0`. */
  readonly interface: string;
  /** 1 to 254; of those that are ready the highest takes the addresses. */
  readonly priority: number;
  /** 1 to 255, and one for each group of gateways in a network (VRID). */
  readonly routerId: number;
  /** Addresses of the other gateways, where the network has no multicast. Default: multicast. */
  readonly peers: readonly string[];
  /** Where this gateway says that it is ready. */
  readonly readyUrl: string;
}

/** Everything that is wrong with the options, in words for people. */
export function keepalivedProblems(options: KeepalivedOptions): readonly string[] {
  const { addresses, peers, priority, readyUrl, routerId } = options;
  return [
    ...addresses
      .filter((address) => !isNetworkAddress(address))
      .map((address) => `--address ${address}: an address with its prefix length, such as 192.0.2.10/24`),
    ...peers
      .filter((peer) => isIP(peer) === 0)
      .map((peer) => `--peer ${peer}: an IP address of another gateway`),
    ...(/^[A-Za-z0-9_.:-]{1,15}$/.test(options.interface)
      ? []
      : [`--interface ${options.interface}: the name of a network interface, such as eth0`]),
    ...within("--priority", priority, 254),
    ...within("--router-id", routerId, 255),
    ...(isPlainUrl(readyUrl) ? [] : [`--ready-url ${readyUrl}: an http or https URL`]),
  ];
}

/**
 * keepalived's configuration: VRRP of version 3 with an advertisement each half second, so that a machine that dies is noticed
 * within two, and a question to `/ready` each second. Pure; the options have no problems.
 */
export function keepalivedConfig(options: KeepalivedOptions): string {
  const families = [4, 6].flatMap((family) => {
    const addresses = options.addresses.filter((address) => familyOf(address) === family);
    const peers = options.peers.filter((peer) => isIP(peer) === family);
    return addresses.length === 0 ? [] : [instance(family, addresses, peers, options)];
  });
  return `# Written by \`gatewright ha keepalived\`: the same at every gateway, but for its priority.
global_defs {
    enable_script_security
    script_user nobody
    vrrp_version 3
}

vrrp_script gatewright_ready {
    script "/usr/bin/curl --silent --fail --max-time 1 --output /dev/null ${options.readyUrl}"
    interval 1
    timeout 2
    fall 2
    rise 2
    init_fail
}
${families.join("")}`;
}

function instance(
  family: number,
  addresses: readonly string[],
  peers: readonly string[],
  { interface: device, priority, routerId }: KeepalivedOptions,
): string {
  return `
vrrp_instance gatewright_ipv${family} {
    # Nobody is the first by itself, and one that comes back takes nothing from the one that serves.
    state BACKUP
    nopreempt
    interface ${device}
    virtual_router_id ${routerId}
    priority ${priority}
    advert_int 0.5
${peers.length === 0 ? "" : block("unicast_peer", peers)}${block("virtual_ipaddress", addresses)}${block("track_script", ["gatewright_ready"])}}
`;
}

function block(name: string, lines: readonly string[]): string {
  return `    ${name} {\n${lines.map((line) => `        ${line}\n`).join("")}    }\n`;
}

function familyOf(address: string): number {
  return isIP(address.split("/")[0] ?? "");
}

function isNetworkAddress(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  return (
    family !== 0 &&
    rest.length === 0 &&
    /^\d{1,3}$/.test(length) &&
    Number(length) >= 1 &&
    Number(length) <= most
  );
}

function within(option: string, value: number, most: number): readonly string[] {
  return Number.isInteger(value) && value >= 1 && value <= most
    ? []
    : [`${option}: a whole number from 1 to ${most}`];
}

/** It stands in a command, between quotes. */
function isPlainUrl(text: string): boolean {
  return /^https?:\/\/[A-Za-z0-9._~:/?#@!&=+,;%[\]-]+$/.test(text) && URL.canParse(text);
}
