import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

/** What clients met. */
export interface Tally {
  readonly requests: number;
  /** One line for each request that was not answered with 200. */
  readonly failures: readonly string[];
}

interface Client {
  readonly port: number;
  readonly host: string;
  /** True: all requests over one connection. */
  readonly kept: boolean;
  readonly body?: string;
  /** At most, between two requests. */
  readonly pauseMs: number;
}

export interface SteadyClients {
  /** How many have been sent so far. */
  requests(): number;
  stop(): Promise<Tally>;
}

/**
 * Clients that send one request after the other to a host until they are told to stop: for each pause one with a
 * connection for each request, one that keeps its connection, and one that posts a body.
 */
export function startClients(port: number, host: string, pausesMs: readonly number[]): SteadyClients {
  const tally = { requests: 0, failures: [] as string[] };
  const stopped = new AbortController();
  const clients = pausesMs.flatMap((pauseMs) =>
    [{ kept: false }, { kept: true }, { kept: true, body: "x".repeat(3_000) }].map((kind) =>
      keepAsking({ port, host, pauseMs, ...kind }, tally, stopped.signal),
    ),
  );
  return {
    requests: () => tally.requests,
    stop: async () => {
      stopped.abort();
      await Promise.all(clients);
      return tally;
    },
  };
}

async function keepAsking(
  client: Client,
  tally: { requests: number; failures: string[] },
  signal: AbortSignal,
): Promise<void> {
  const { port, host, kept, body, pauseMs } = client;
  const agent = kept ? new Agent({ keepAlive: true, maxSockets: 1 }) : (false as const);
  const method = body === undefined ? "GET" : "POST";
  while (!signal.aborted) {
    tally.requests += 1;
    const options = { host: "127.0.0.1", port, headers: { host }, agent, method };
    const status = await ask(options, body).catch((error: Error) => error.message);
    if (status !== 200)
      tally.failures.push(`${method}, ${kept ? "kept" : "new"} connection, ${pauseMs} ms: ${status}`);
    await wait(Math.random() * pauseMs);
  }
  if (agent !== false) agent.destroy();
}

/** One request; nothing is sent again, unlike `fetch` and browsers do. */
function ask(options: RequestOptions, body?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ timeout: 15_000, ...options }, (response: IncomingMessage) => {
      response.on("error", reject).on("end", () => resolve(response.statusCode));
      response.resume();
    });
    sent.on("error", reject).on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(body);
  });
}
