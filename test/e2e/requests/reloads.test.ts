import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { call, createIngress, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const host = "steady.example.com";
const changes = 40;

const backend = use(() => startBackend());
const gatewright = useGatewright({}, ["web-1"]);

beforeAll(async () => {
  await gatewright.make("steady", rule(host, "web-1", backend.port));
});

/** One request; nothing is sent again, unlike `fetch` and browsers do. */
function ask(options: RequestOptions, body?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port: gatewright.ports.http, headers: { host }, timeout: 15_000, ...options },
      (response: IncomingMessage) => {
        response.on("error", reject).on("end", () => resolve(response.statusCode));
        response.resume();
      },
    );
    sent.on("error", reject).on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(body);
  });
}

interface Tally {
  requests: number;
  readonly failures: string[];
}

/** Sends one request after the other until told to stop. */
async function keepAsking(
  tally: Tally,
  signal: AbortSignal,
  kind: { readonly kept: boolean; readonly body?: string; readonly pauseMs: number },
): Promise<void> {
  const agent = kind.kept ? new Agent({ keepAlive: true, maxSockets: 1 }) : (false as const);
  const method = kind.body === undefined ? "GET" : "POST";
  while (!signal.aborted) {
    tally.requests += 1;
    const status = await ask({ agent, method }, kind.body).catch((error: Error) => error.message);
    if (status !== 200) tally.failures.push(`${JSON.stringify(kind)}: ${status}`);
    await wait(Math.random() * kind.pauseMs);
  }
  if (agent !== false) agent.destroy();
}

/** Opens a port, and a policy set that nothing else has; then both go. Each way is a reload of Caddy. */
async function change(number: number): Promise<void> {
  const policies = { policies: { headers: { response: { set: { "X-Round": String(number) } } } } };
  const name = `round-${number}`;
  const { status, text } = await createIngress({
    url: gatewright.url,
    name,
    rules: [rule(`${name}.example.com`, "web-1", backend.port, { port: await freePort() }, policies)],
  });
  expect(status, text).toBe(201);
  // Half of them end before the next begins; the others are tidied away together.
  if (number % 2 === 0) return;
  for (const one of [number - 1, number]) {
    const gone = await call(`${gatewright.url}/ingresses/round-${one}`, { method: "DELETE" });
    expect(gone.status, gone.text).toBe(204);
  }
  await wait(150);
}

it("no request is lost while ports and policy sets come and go", async () => {
  const tally: Tally = { requests: 0, failures: [] };
  const stop = new AbortController();
  const clients = [1, 1, 5, 50].flatMap((pauseMs) => [
    keepAsking(tally, stop.signal, { kept: false, pauseMs }),
    keepAsking(tally, stop.signal, { kept: true, pauseMs }),
    keepAsking(tally, stop.signal, { kept: true, body: "x".repeat(3_000), pauseMs }),
  ]);
  for (let number = 0; number < changes; number++) await change(number);
  stop.abort();
  await Promise.all(clients);
  expect(tally.failures).toEqual([]);
  expect(tally.requests).toBeGreaterThan(1_000);
}, 90_000);
