import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  connect as tlsConnect,
} from "node:tls";

/** A server of connections that answers each line with its name and the line. */
export interface LineServer extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open. */
  open(): number;
  /** How many there were. */
  total(): number;
  /** What came on each connection, in the order of the connections; a byte is a character. */
  readonly received: string[];
}

export async function startLineServer(
  name: string,
  { tls, address = "127.0.0.1" }: { readonly tls?: TlsOptions; readonly address?: string } = {},
): Promise<LineServer> {
  const sockets = new Set<Socket>();
  const received: string[] = [];
  let total = 0;
  const serve = (socket: Socket): void => {
    const connection = total++;
    received.push("");
    sockets.add(socket);
    let rest = "";
    socket.on("data", (chunk: Buffer) => {
      received[connection] += chunk.toString("latin1");
      const lines = (rest + chunk.toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) socket.write(`${name} ${line}\n`);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  };
  const server: Server =
    tls === undefined
      ? createServer(serve)
      : createTlsServer(tls, serve as (socket: TLSSocket) => void).on("tlsClientError", () => undefined);
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size,
    total: () => total,
    received,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A connection over which lines are asked and answered. */
export interface LineClient extends Disposable {
  readonly socket: Socket;
  /** Sends a line and returns the next one that comes. Rejects when the connection ends before. */
  ask(line: string): Promise<string>;
  /** The next line. */
  read(): Promise<string>;
  /** Resolves when the connection has ended, by whomever. */
  readonly ended: Promise<void>;
}

/** Opens a TCP connection; rejects when it is refused. */
export async function openLines(
  port: number,
  host = "127.0.0.1",
  localAddress?: string,
): Promise<LineClient> {
  const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
  await once(socket, "connect");
  return lineClient(socket);
}

export interface TlsLinesOptions {
  readonly port: number;
  readonly servername?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly alpn?: readonly string[];
}

/** Opens a TLS connection whose chain and name are verified when `ca` is given. */
export async function openTlsLines(
  options: TlsLinesOptions,
): Promise<LineClient & { readonly socket: TLSSocket }> {
  const { port, servername, ca, cert, key, alpn } = options;
  const socket = tlsConnect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: ca !== undefined,
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
  });
  const closed = once(socket, "close").then(() => {
    throw new Error("closed before the handshake was done");
  });
  closed.catch(() => undefined);
  await Promise.race([once(socket, "secureConnect"), closed]);
  return { ...lineClient(socket), socket };
}

export function lineClient(socket: Socket): LineClient {
  const lines: string[] = [];
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let rest = "";
  let over = false;
  socket.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      const next = waiting.shift();
      if (next === undefined) lines.push(line);
      else next.resolve(line);
    }
  });
  socket.on("error", () => undefined);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const finish = (): void => {
    over = true;
    for (const next of waiting.splice(0)) next.reject(new Error("the connection ended"));
    end();
  };
  socket.on("end", finish);
  socket.on("close", finish);
  const read = (): Promise<string> => {
    const line = lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (over) return Promise.reject(new Error("the connection ended"));
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    waiting.push({ resolve, reject });
    return promise;
  };
  return {
    socket,
    ended,
    read,
    ask: (line) => {
      socket.write(`${line}\n`);
      return read();
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** A UDP server that answers each packet with its name and the packet. */
export interface PacketServer extends AsyncDisposable {
  readonly port: number;
  /** Addresses that packets came from. */
  readonly clients: Set<string>;
}

export async function startPacketServer(
  name: string,
  address = "127.0.0.1",
  port = 0,
): Promise<PacketServer> {
  const socket = createSocket("udp4");
  const clients = new Set<string>();
  socket.on("message", (message, { address: from, port: fromPort }) => {
    clients.add(`${from}:${fromPort}`);
    socket.send(`${name} ${message.toString()}`, fromPort, from);
  });
  socket.bind(port, address);
  await once(socket, "listening");
  return { port: socket.address().port, clients, [Symbol.asyncDispose]: () => closeUdp(socket) };
}

/** One UDP client with a port of its own. */
export interface PacketClient extends AsyncDisposable {
  /** Sends a packet and returns the next one that comes; undefined when none comes in time. */
  ask(packet: string, timeoutMs?: number): Promise<string | undefined>;
}

export async function openPackets(port: number, host = "127.0.0.1"): Promise<PacketClient> {
  const socket = createSocket("udp4");
  socket.on("error", () => undefined);
  socket.connect(port, host);
  await once(socket, "connect");
  return {
    ask: async (packet, timeoutMs = 2_000) => {
      const answer = once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) }).then(
        ([message]) => String(message),
        () => undefined,
      );
      socket.send(packet);
      return answer;
    },
    [Symbol.asyncDispose]: () => closeUdp(socket),
  };
}

async function closeUdp(socket: UdpSocket): Promise<void> {
  const closed = once(socket, "close");
  socket.close();
  await closed;
}
