import { Agent, type IncomingMessage, request } from "node:http";
import { type RequestOptions, Agent as SecureAgent, request as secureRequest } from "node:https";
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
  /** Over TLS, whoever signed the certificate. */
  readonly secure: boolean;
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
export function startClients(
  port: number,
  host: string,
  pausesMs: readonly number[],
  secure = false,
): SteadyClients {
  const tally = { requests: 0, failures: [] as string[] };
  const stopped = new AbortController();
  const clients = pausesMs.flatMap((pauseMs) =>
    [{ kept: false }, { kept: true }, { kept: true, body: "x".repeat(3_000) }].map((kind) =>
      keepAsking({ port, host, pauseMs, secure, ...kind }, tally, stopped.signal),
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
  const { port, host, kept, secure, body, pauseMs } = client;
  const Kind = secure ? SecureAgent : Agent;
  const agent = kept ? new Kind({ keepAlive: true, maxSockets: 1 }) : (false as const);
  const method = body === undefined ? "GET" : "POST";
  while (!signal.aborted) {
    tally.requests += 1;
    const tls = { servername: host, rejectUnauthorized: false };
    const options = { host: "127.0.0.1", port, headers: { host }, agent, method, ...(secure ? tls : {}) };
    const status = await ask(options, secure, body).catch((error: Error) => error.message);
    if (status !== 200)
      tally.failures.push(`${method}, ${kept ? "kept" : "new"} connection, ${pauseMs} ms: ${status}`);
    await wait(Math.random() * pauseMs);
  }
  if (agent !== false) agent.destroy();
}

/** One request; nothing is sent again, unlike `fetch` and browsers do. */
function ask(options: RequestOptions, secure: boolean, body?: string): Promise<number | undefined> {
  const send = secure ? secureRequest : request;
  return new Promise((resolve, reject) => {
    const sent = send({ timeout: 15_000, ...options }, (response: IncomingMessage) => {
      response.on("error", reject).on("end", () => resolve(response.statusCode));
      response.resume();
    });
    sent.on("error", reject).on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(body);
  });
}
