import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server whose health can be set: it answers its name, and on `/healthz` the status that it is told to. */
export interface MoodyBackend extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** 0: checks get no answer, until it is another one again. */
  status: number;
  /** Requests to `/healthz`, and to other paths. */
  checks(): number;
  requests(): number;
}

let last = 1;

export async function startMoody(name: string, port = 0): Promise<MoodyBackend> {
  last += 1;
  const address = `127.1.${process.pid % 200}.${last}`;
  let checks = 0;
  let requests = 0;
  let status = 200;
  const held = new Set<ServerResponse>();
  const answer = (response: ServerResponse): void => {
    response.statusCode = status;
    response.end();
  };
  const server = createServer((request, response) => {
    request.resume();
    if (request.url?.startsWith("/healthz") === true) {
      checks += 1;
      if (status === 0) held.add(response);
      else answer(response);
      return;
    }
    requests += 1;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ backend: name }));
  });
  server.listen({ host: address, port });
  await once(server, "listening");
  const moody: MoodyBackend = {
    address,
    port: (server.address() as AddressInfo).port,
    get status() {
      return status;
    },
    set status(next) {
      status = next;
      if (next === 0) return;
      for (const response of held) answer(response);
      held.clear();
    },
    checks: () => checks,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return moody;
}
