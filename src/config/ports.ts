import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import type { Config } from "./build.ts";

/** A port of ours. */
interface Listener {
  /** The setting's name; its key in `ports.json`. */
  readonly name: string;
  readonly address: string;
  /** 0 where it is left open. */
  readonly port: number;
}

/**
 * Below the ephemeral range of Linux (32768 to 60999), so that no outgoing connection holds a kept port at the
 * next start, and above the usual fixed ones.
 */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 32_000;

/**
 * Replaces each port 0 by one that is free now (UDP and TCP), or by the one that was chosen at an earlier start:
 * `<DATA_DIR>/ports.json`. A kept port is not probed, since our own Caddy may be listening on it.
 */
export async function choosePorts(config: Config): Promise<Config> {
  const listeners = listenersOf(config);
  const wanted = listeners.filter(({ port }) => port === 0);
  if (wanted.length === 0) return config;
  const file = path.join(config.dataDir, "ports.json");
  const kept = await readKept(file);
  const ports: { [name: string]: number } = { ...kept };
  const taken = new Set([...Object.values(kept), ...listeners.map(({ port }) => port)]);
  for (const { name, address } of wanted) {
    if (ports[name] !== undefined) continue;
    const port = await choosePort(address, taken);
    taken.add(port);
    ports[name] = port;
  }
  if (wanted.some(({ name }) => kept[name] === undefined)) await writeKept(file, ports);
  const choose = (name: string, port: number) => (port === 0 ? (ports[name] ?? 0) : port);
  const { api, caddy, dns, tls } = config;
  return Object.freeze({
    ...config,
    api: Object.freeze({ ...api, port: choose("PORT", api.port) }),
    dns: Object.freeze({ ...dns, port: choose("INTERNAL_DNS_PORT", dns.port) }),
    tls: Object.freeze({ ...tls, askPort: tls.onDemand ? choose("TLS_ASK_PORT", tls.askPort) : 0 }),
    caddy: Object.freeze({
      ...caddy,
      httpPort: choose("HTTP_PORT", caddy.httpPort),
      httpsPort: choose("HTTPS_PORT", caddy.httpsPort),
      ...(caddy.adminPort === undefined ? {} : { adminPort: choose("CADDY_ADMIN_PORT", caddy.adminPort) }),
    }),
  });
}

/** Every port of the settings. */
export function listenersOf({ api, caddy, dns, tls }: Config): readonly Listener[] {
  return [
    ...api.addresses.map((address) => ({ name: "PORT", address, port: api.port })),
    { name: "HTTP_PORT", address: caddy.listenAddress, port: caddy.httpPort },
    { name: "HTTPS_PORT", address: caddy.listenAddress, port: caddy.httpsPort },
    { name: "INTERNAL_DNS_PORT", address: dns.address, port: dns.port },
    ...(tls.onDemand ? [{ name: "TLS_ASK_PORT", address: "127.0.0.1", port: tls.askPort }] : []),
    ...(caddy.adminPort === undefined
      ? []
      : [{ name: "CADDY_ADMIN_PORT", address: caddy.adminAddress, port: caddy.adminPort }]),
  ];
}

async function readKept(file: string): Promise<{ readonly [name: string]: number }> {
  try {
    const kept = JSON.parse(await readFile(file, "utf8")) as { readonly [name: string]: unknown };
    const valid = Object.entries(kept).filter(
      (entry): entry is [string, number] =>
        Number.isInteger(entry[1]) && Number(entry[1]) > 0 && Number(entry[1]) < 65_536,
    );
    return Object.fromEntries(valid);
  } catch {
    // Missing or damaged: new ones are chosen.
    return {};
  }
}

/** Whole or not at all, also when the machine dies: a port that changes breaks a Caddy that was left running. */
async function writeKept(file: string, ports: { readonly [name: string]: number }): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(ports, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

async function choosePort(address: string, taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if (!taken.has(port) && (await isFree(address, port))) return port;
  }
}

async function isFree(address: string, port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    tcp.listen({ host: address, port, exclusive: true });
    await once(tcp, "listening");
    udp.bind({ address, port, exclusive: true });
    await once(udp, "listening");
    return true;
  } catch (error) {
    // Only a taken port makes another one worth a try; an address that is not this machine's makes none.
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  } finally {
    tcp.close();
    udp.close();
  }
}
