import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Instance } from "../../src/model/api.ts";

/** A loopback server that speaks hypeman's instances API. */
export interface HypemanServer extends AsyncDisposable {
  readonly url: string;
  instances: readonly Instance[];
  /** Answers in place of the list, when set. */
  fault: ((response: ServerResponse) => void) | undefined;
  /** Does what `POST /instances/{id}/<action>` asks for and returns the status of the answer. Absent: 404. */
  action: ((id: string, action: string) => number) | undefined;
  /** Requests so far. */
  readonly requests: readonly IncomingMessage[];
  close(): Promise<void>;
}

/** Starts it on a free port, or on the given one, with the token that requests must carry. */
export async function startHypeman(
  token: string,
  options: { port?: number; path?: string } = {},
): Promise<HypemanServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.setHeader("Content-Type", "application/json");
    if (request.headers.authorization !== `Bearer ${token}`) {
      response.statusCode = 401;
      response.end(`{"code":"Unauthorized","message":"security requirements failed: invalid token"}`);
    } else if (request.method === "POST" && hypeman.action !== undefined) {
      const [id = "", action = ""] = request.url?.split("/").slice(-2) ?? [];
      response.statusCode = hypeman.action(id, action);
      response.end("{}");
    } else if (request.method !== "GET" || request.url !== `${options.path ?? ""}/instances`) {
      response.statusCode = 404;
      response.end("404 page not found");
    } else if (hypeman.fault !== undefined) hypeman.fault(response);
    else response.end(`${JSON.stringify(hypeman.instances.map(onTheWire))}\n`);
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  const hypeman: HypemanServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${options.path ?? ""}`,
    instances: [],
    fault: undefined,
    action: undefined,
    requests,
    close,
    [Symbol.asyncDispose]: async () => {
      if (server.listening) await close();
    },
  };
  return hypeman;
}

/** As hypeman sends it, with the fields that Gatewright has no use for. */
function onTheWire(instance: Instance): object {
  return {
    ...instance,
    image: "docker.io/library/nginx:alpine",
    size: "1GB",
    vcpus: 2,
    network: { ...instance.network, name: "default", mac: "02:00:00:ab:cd:ef" },
    health_status: { status: "healthy" },
    started_at: "2026-01-02T03:04:06Z",
    stopped_at: null,
  };
}
