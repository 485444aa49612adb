import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Leads connections from one port to another until it is closed. */
export interface Door {
  close(): Promise<void>;
}

export async function openDoor(from: number, to: number): Promise<Door> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
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
