import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Servers that stand for instances: the same port at an address of its own for each, as a pattern wants it. */
export interface Samples extends AsyncDisposable {
  readonly port: number;
  readonly addresses: readonly string[];
}

/** A port that is free at the first address may be taken at another one. */
const ATTEMPTS = 20;

/** Starts a server for each name, at 127.0.0.1 and on; each answers its name and what was asked. */
export async function startSamples(names: readonly string[]): Promise<Samples> {
  for (let attempt = 1; ; attempt++) {
    const servers: Server[] = [];
    const close = async () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    };
    try {
      let port = 0;
      const addresses = names.map((_, index) => `127.0.0.${index + 1}`);
      for (const [index, name] of names.entries()) {
        const server = createServer(({ method, url }, response) => {
          response.setHeader("content-type", "text/plain");
          response.end(`${name} answers ${method} ${url}\n`);
        });
        servers.push(server);
        await once(server.listen(port, addresses[index]), "listening");
        port = (server.address() as AddressInfo).port;
      }
      return { port, addresses, [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === ATTEMPTS) throw error;
    }
  }
}
