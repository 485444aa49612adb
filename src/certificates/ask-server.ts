import { createServer, type Server } from "node:http";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { OnDemandNames } from "./on-demand-names.ts";

export interface AskServerOptions {
  /** Loopback port. */
  readonly port: number;
  readonly names: OnDemandNames;
  readonly logger: Logger;
}

/** Answers Caddy's question whether it may order a certificate (`GET /tls/ask?domain=…`): 200 or 403. */
export interface AskServer {
  close(): Promise<void>;
}

/** Starts it on loopback, apart from the API. Throws `address_in_use`. */
export async function startAskServer({ port, names, logger }: AskServerOptions): Promise<AskServer> {
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? "", "http://localhost");
    const domain = url?.pathname === "/tls/ask" ? url.searchParams.get("domain") : null;
    const verdict = domain === null ? "unknown" : names.ask(domain);
    if (verdict === "limited") logger.warn("a first certificate waits: too many new names", { domain });
    response.writeHead(verdict === "allowed" ? 200 : 403).end();
  });
  server.maxHeadersCount = 50;
  await listen(server, port);
  return {
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `TLS_ASK_PORT: cannot listen on 127.0.0.1 port ${port}: ${(cause as NodeJS.ErrnoException).code}`;
      reject(new GatewrightError("address_in_use", message, { cause }));
    });
    server.listen({ host: "127.0.0.1", port }, () => resolve());
  });
}
