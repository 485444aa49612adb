import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What becomes of a request: `pass`; `lose_answer`: it is done, and the connection is cut instead of the answer;
 * `lose_request`: the connection is cut before anybody has seen it.
 */
export type Fate = "pass" | "lose_answer" | "lose_request";

export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly fate: Fate;
}

/** A proxy in front of Caddy's admin endpoint that loses what it is told to lose. */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** Decides the fate of each request; reset by tests. */
  decide: (request: Omit<PassedRequest, "fate">) => Fate;
  /** Everything since the start. */
  readonly requests: PassedRequest[];
}

export async function startCuttingProxy(adminPort: number): Promise<CuttingProxy> {
  const server = createServer((incoming, outgoing) => {
    const { method = "", url: path = "" } = incoming;
    const fate = proxy.decide({ method, path });
    proxy.requests.push({ method, path, fate });
    if (fate === "lose_request") {
      incoming.socket.destroy();
      return;
    }
    const forwarded = request({
      host: "127.0.0.1",
      port: adminPort,
      method,
      path,
      headers: incoming.headers,
      agent: false,
    });
    forwarded.on("error", () => incoming.socket.destroy());
    forwarded.on("response", (answer) => {
      if (fate === "lose_answer") {
        answer.resume().on("end", () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: CuttingProxy = {
    port: (server.address() as AddressInfo).port,
    decide: () => "pass",
    requests: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
