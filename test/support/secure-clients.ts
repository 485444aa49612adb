import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { Agent, request } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import type { Tally } from "./steady-clients.ts";

export interface SecureClients {
  requests(): number;
  stop(): Promise<Tally>;
}

const PAUSE_MS = 5;

/** Clients over TLS that keep their connection: so many of HTTP/1.1 and as many of HTTP/2. They send nothing again. */
export function startSecureClients(port: number, host: string, each: number): SecureClients {
  const tally = { requests: 0, failures: [] as string[] };
  const stopped = new AbortController();
  const { signal } = stopped;
  const run = async (protocol: string, client: Client): Promise<void> => {
    while (!signal.aborted) {
      tally.requests += 1;
      const status = await client.ask().catch((error: Error) => error.message);
      if (status !== 200) tally.failures.push(`${protocol}: ${status}`);
      await wait(Math.random() * PAUSE_MS);
    }
    client.close();
  };
  const clients = Array.from({ length: each }, () => [
    run("HTTP/1.1", http1(port, host)),
    run("HTTP/2", http2(port, host)),
  ]).flat();
  return {
    requests: () => tally.requests,
    stop: async () => {
      stopped.abort();
      await Promise.all(clients);
      return tally;
    },
  };
}

interface Client {
  /** The status of the answer. */
  ask(): Promise<number>;
  close(): void;
}

function http1(port: number, servername: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, servername, headers: { host: servername }, agent };
      request(options, (response) => {
        response.on("error", reject).on("end", () => resolve(response.statusCode ?? 0));
        response.resume();
      })
        .on("error", reject)
        .end();
    });
  return { ask, close: () => agent.destroy() };
}

/** A session is used until the server says that it goes away (RFC 9113 section 6.8), as clients do. */
function http2(port: number, servername: string): Client {
  let session: ClientHttp2Session | undefined;
  const open = async (): Promise<ClientHttp2Session> => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const opened = connect(`https://127.0.0.1:${port}`, { servername, rejectUnauthorized: false });
    session = opened;
    opened.on("error", () => undefined).on("goaway", () => opened.close());
    await once(opened, "connect");
    return opened;
  };
  const ask = async (): Promise<number> => {
    const stream = (await open()).request({ ":path": "/", ":authority": servername });
    const [headers] = (await once(stream, "response")) as [{ readonly ":status"?: number }];
    stream.resume();
    await once(stream, "end");
    return headers[":status"] ?? 0;
  };
  return { ask, close: () => session?.close() };
}
