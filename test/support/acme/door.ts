import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Leads connections from one port to another until it is closed. */
export interface Door {
  close(): Promise<void>;
}

/**
 * Of several addresses each connection takes the next one that has somebody at the port, as behind DNS with several addresses.
 * Default: 127.0.0.1 alone.
 */
export async function openDoor(from: number, to: number, addresses = ["127.0.0.1"]): Promise<Door> {
  const sockets = new Set<Socket>();
  let taken = 0;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    return socket.on("close", () => sockets.delete(socket));
  };
  const lead = (client: Socket, tries: number): void => {
    const upstream = keep(connect(to, addresses[taken++ % addresses.length]));
    const refused = (): void => {
      if (tries > 1) lead(client, tries - 1);
      else client.destroy();
    };
    upstream.once("error", refused);
    upstream.once("connect", () => {
      upstream.off("error", refused);
      upstream.on("close", () => client.destroy());
      client.on("close", () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
  };
  const server = createServer((client) => lead(keep(client), addresses.length));
  server.listen(from, "127.0.0.1");
  await once(server, "listening");
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A door that can be closed and opened again. */
export interface SwingDoor {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** Leads connections from one port to another, unless it is disconnected. */
export async function openSwingDoor(from: number, to: number): Promise<SwingDoor> {
  let door: Door | undefined = await openDoor(from, to);
  return {
    connect: async () => {
      door ??= await openDoor(from, to);
    },
    disconnect: async () => {
      await door?.close();
      door = undefined;
    },
  };
}
