import type { RemoteInfo, SocketOptions, SocketType } from "node:dgram";
import { once } from "node:events";
import { isIPv6, Server as NetServer, type Socket } from "node:net";
import { UDPServer } from "dns2";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DNS_TTL_SECONDS } from "../resolver/address-ttl.ts";
import type { InstanceResolver, ResolverChange } from "../resolver/instance-resolver.ts";
import { DnsCounters, type DnsCounts } from "./counts.ts";
import { LONGEST_QUERY_BYTES, readAnyQuery, readQuery } from "./message.ts";
import { PacketCache } from "./packet-cache.ts";
import {
  HEADER_BYTES,
  LARGEST_TCP_BYTES,
  LARGEST_UDP_BYTES,
  PLAIN_UDP_BYTES,
  type Query,
} from "./protocol.ts";
import { readPlainQuery } from "./query.ts";
import { type EncodedZone, encodeZone, respond } from "./response.ts";
import { serveTcp } from "./tcp-connection.ts";

/** How the DNS server listens and what it serves. */
export interface DnsServerOptions {
  /** IP address to listen on, UDP and TCP. */
  readonly address: string;
  /** 0: one that is free for both. */
  readonly port: number;
  /** Default: `hypeman.internal`. */
  readonly zone?: string;
  /** Of every record. Default: 5. */
  readonly ttlSeconds?: number;
  /** Time without a message after which a TCP connection is closed (RFC 7766 section 6.2.3). Default: 10000. */
  readonly idleTimeoutMs?: number;
  /** TCP connections at one time; more are closed at once. Default: 256. */
  readonly connectionsAtMost?: number;
  /** One that tells of changes is asked for a name's addresses only once after each. */
  readonly resolver: Pick<InstanceResolver, "resolve"> & Partial<Pick<InstanceResolver, "watch">>;
  readonly logger: Logger;
  /** Told the seconds from a message over UDP to its answer, of one in `SAMPLED` and the first. Default: nobody is. */
  readonly observe?: (seconds: number) => void;
}

/** A DNS server that listens. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
  counts(): DnsCounts;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** A power of two: to read the clock twice costs a twentieth of an answer. */
const SAMPLED = 64;
/** How often a free UDP port whose TCP side is taken is exchanged for another. */
const FREE_PORT_ATTEMPTS = 20;
/** Of all connections together 64 MiB. */
const UNREAD_BYTES_AT_MOST = 256 * 1024;
/** Of more changed names than these every kept answer is forgotten: looking for each would hold up the questions. */
const NAMES_FORGOTTEN_AT_MOST = 1000;

/**
 * Answers DNS questions over UDP and TCP until it is closed. Throws `address_in_use` when another process has the port,
 * `address_unavailable` when the address is none of this machine's or not permitted; then nothing stays open.
 */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  for (let attempt = 1; ; attempt++) {
    const counters = new DnsCounters();
    const udp = new UdpServer(options, zoneOf(options), counters);
    try {
      await listen(
        udp,
        () => udp.bind({ address: options.address, port: options.port, exclusive: true }),
        options,
      );
      const { port } = udp.address();
      const tcp = await listenTcp(options, port, counters);
      return {
        address: options.address,
        port,
        counts: () => counters.read(),
        close: async () => void (await Promise.all([udp.stop(), tcp.stop()])),
      };
    } catch (error) {
      await udp.stop();
      // The system chose a port that is free for UDP only.
      const retry = options.port === 0 && isInUse(error) && attempt < FREE_PORT_ATTEMPTS;
      if (!retry) throw error;
    }
  }
}

/** dns2's server with shorter ways for the common message: a kept answer, else no bit-by-bit parsing and no promises. */
class UdpServer extends UDPServer {
  readonly #options: DnsServerOptions;
  readonly #zone: EncodedZone;
  readonly #kept: PacketCache | undefined;
  readonly #unwatch: (() => void) | undefined;
  readonly #counters: DnsCounters;
  #untilSample = 0;

  constructor(options: DnsServerOptions, zone: EncodedZone, counters: DnsCounters) {
    super({ type: socketType(options.address) });
    this.#options = options;
    this.#counters = counters;
    this.#zone = zone;
    const kept = new PacketCache(zone.wireName);
    this.#unwatch = options.resolver.watch?.((change) => forget(kept, change));
    this.#kept = this.#unwatch === undefined ? undefined : kept;
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    const closed = once(this, "close");
    this.close();
    await closed;
  }

  override handle(data: Buffer, client: RemoteInfo): void {
    // Sending to port 0 throws, and no client listens there.
    if (client.port === 0) return;
    if (this.#untilSample > 0) {
      this.#untilSample -= 1;
      this.#reply(data, client);
      return;
    }
    this.#untilSample = SAMPLED - 1;
    const began = performance.now();
    this.#reply(data, client);
    this.#options.observe?.((performance.now() - began) / 1000);
  }

  #reply(data: Buffer, client: RemoteInfo): void {
    try {
      const kept = this.#kept?.answer(data);
      if (kept === undefined) this.#handleNew(data, client);
      else {
        this.#counters.cacheHits += 1;
        this.#say(kept, client);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #handleNew(data: Buffer, client: RemoteInfo): void {
    const plain = readPlainQuery(data);
    if (plain === undefined) {
      this.#handleOther(data, client);
      return;
    }
    const answer = this.#answer(plain, client);
    const question = plain.question?.wire.length ?? 0;
    if (answer !== undefined) this.#kept?.keep(data, HEADER_BYTES + question, answer);
  }

  #handleOther(data: Buffer, client: RemoteInfo): void {
    const query = data.length > LONGEST_QUERY_BYTES ? undefined : readAnyQuery(data);
    if (query === undefined) this.#counters.dropped.udp += 1;
    else this.#answer(query, client);
  }

  #answer(query: Query, client: RemoteInfo): Buffer | undefined {
    const limit = Math.min(Math.max(query.edns?.payloadBytes ?? 0, PLAIN_UDP_BYTES), LARGEST_UDP_BYTES);
    try {
      const message = respond(query, this.#zone, this.#options.resolver, limit);
      this.#counters.answered("udp", message);
      this.#say(message, client);
      return message;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** Without a callback, which would cost a turn of the event loop: whoever gets no answer asks again. */
  #say(message: Buffer, client: RemoteInfo): void {
    this.send(message, client.port, client.address);
  }

  /** Thrown from a socket's event, an error would end the process. */
  #fail(error: unknown): void {
    this.#counters.dropped.udp += 1;
    this.#options.logger.error("a DNS question could not be answered", { error });
  }
}

/**
 * dns2 hands its `type` to dgram as it is, and dgram takes options there. Its own look-up of an address that is one
 * already takes a turn of the event loop for each answer, a tenth of the time of all of it.
 */
function socketType(address: string): SocketOptions & SocketType {
  const family = isIPv6(address) ? 6 : 4;
  const options: SocketOptions = {
    type: `udp${family}`,
    lookup: (host, _options, found) => found(null, host, family),
  };
  return options as SocketOptions & SocketType;
}

function forget(kept: PacketCache, change: ResolverChange): void {
  if ("all" in change || change.names.length > NAMES_FORGOTTEN_AT_MOST) kept.forgetAll();
  else for (const name of change.names) kept.forget(name);
}

class TcpServer extends NetServer {
  readonly #connections = new Set<Socket>();

  constructor(options: DnsServerOptions, zone: EncodedZone, counters: DnsCounters) {
    super();
    this.maxConnections = options.connectionsAtMost ?? 256;
    const limits = {
      idleTimeoutMs: options.idleTimeoutMs ?? 10_000,
      longestBytes: LONGEST_QUERY_BYTES,
      unreadBytes: UNREAD_BYTES_AT_MOST,
    };
    const respondTo = (message: Buffer): Buffer | undefined => {
      try {
        const query = readQuery(message);
        const answer =
          query === undefined ? undefined : respond(query, zone, options.resolver, LARGEST_TCP_BYTES);
        if (answer === undefined) counters.dropped.tcp += 1;
        else counters.answered("tcp", answer);
        return answer;
      } catch (error) {
        counters.dropped.tcp += 1;
        options.logger.error("a DNS question could not be answered", { error });
        return undefined;
      }
    };
    this.on("connection", (socket: Socket) => {
      this.#connections.add(socket);
      counters.connections += 1;
      socket.on("close", () => {
        this.#connections.delete(socket);
        counters.connections -= 1;
      });
      serveTcp(socket, respondTo, limits);
    });
    this.on("drop", () => (counters.connectionsRefused += 1));
  }

  async stop(): Promise<void> {
    const closed = once(this, "close");
    this.close();
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }
}

function zoneOf(options: DnsServerOptions): EncodedZone {
  const name = (options.zone ?? "hypeman.internal").toLowerCase().replace(/\.$/, "");
  return encodeZone(name, options.ttlSeconds ?? DNS_TTL_SECONDS);
}

async function listenTcp(options: DnsServerOptions, port: number, counters: DnsCounters): Promise<TcpServer> {
  const tcp = new TcpServer(options, zoneOf(options), counters);
  await listen(tcp, () => tcp.listen({ host: options.address, port, exclusive: true }), options);
  return tcp;
}

/** Starts listening; dns2's own `listen()` stays pending when the port is taken, so `error` is raced here. */
async function listen(
  server: UdpServer | TcpServer,
  start: () => unknown,
  options: DnsServerOptions,
): Promise<void> {
  try {
    const listening = once(server, "listening");
    start();
    await listening;
  } catch (error) {
    throw listenError(error, options);
  }
  server.on("error", (error: Error) => options.logger.warn("DNS server", { error: error.message }));
}

function listenError(error: unknown, options: DnsServerOptions): GatewrightError {
  const where = `${isIPv6(options.address) ? `[${options.address}]` : options.address}:${options.port}`;
  if (errorCode(error) === "EADDRINUSE") {
    const message = `the DNS server cannot listen on ${where}: another process does; set INTERNAL_DNS_PORT`;
    return new GatewrightError("address_in_use", message, { cause: error });
  }
  const message = `the DNS server cannot listen on ${where}: ${errorCode(error)}; set INTERNAL_DNS_ADDRESS and INTERNAL_DNS_PORT`;
  return new GatewrightError("address_unavailable", message, { cause: error });
}

function isInUse(error: unknown): boolean {
  return error instanceof GatewrightError && error.code === "address_in_use";
}

function errorCode(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
