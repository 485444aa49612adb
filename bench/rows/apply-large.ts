import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { encodeAsk } from "../../test/support/dns-client.ts";
import { measuringTurns, turnsAt } from "../../test/support/turns-client.ts";
import { until } from "../../test/support/until.ts";
import { HttpClient } from "../http-client.ts";
import type { Measurement } from "../report.ts";
import { atMost, type Bench, type Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { median } from "../statistics.ts";

const SIZE = 10_000;
/** Everything else that waits for the manager waits no longer. */
const GOAL_MS = 20;
/** Between an answer and the next question. */
const PAUSE_MS = 1;

/** What is done with the set, in its order. */
const works = ["created", "equal", "changed", "pruned"] as const;

interface Figures {
  readonly took: number[];
  readonly turns: number[];
  readonly dns: number[];
  readonly health: number[];
}

/** A whole set in one request, while DNS and `/health` are asked all the time. */
export const applyLarge: Row = {
  key: "apply-large",
  about: "a set of 10,000 in one request: created, equal, changed, pruned; and who waits for it",
  once: true,
  quick: false,
  async measure(bench) {
    const socket = join(bench.scratch, "turns");
    const environment = measuringTurns(socket);
    const { backendPort, caddyBinary, options } = bench;
    await using site = await openSite({ size: 1, kind: "literal", backendPort, caddyBinary, environment });
    await until(async () => (await turnsAt(socket)).isSettled);
    // Before anybody waits: what this process does meanwhile would count.
    const bodies = bodiesFor(bench, site);
    await using dns = new Waits(dnsAsker(site));
    await using health = new Waits(healthAsker(site));
    const figures = Object.fromEntries(
      works.map((work) => [work, { took: [], turns: [], dns: [], health: [] }]),
    ) as unknown as {
      readonly [work in Work]: Figures;
    };
    for (let round = 0; round < options.rounds; round++)
      for (const work of works) {
        await turnsAt(socket);
        for (const waits of [dns, health]) waits.take();
        figures[work].took.push(await make(site, work, bodies[work]));
        figures[work].turns.push((await turnsAt(socket)).longestMs);
        figures[work].dns.push(dns.take());
        figures[work].health.push(health.take());
      }
    const common = { row: "apply-large", size: SIZE, unit: "ms" } as const;
    return [
      ...works.map((work): Measurement => {
        return { ...common, what: `apply of a set, ${work}`, value: median(figures[work].took) };
      }),
      ...works.map((work): Measurement => {
        const value = Math.max(...figures[work].turns);
        const what = `longest turn of the manager in it, ${work}`;
        return { ...common, what, value, goal: atMost(value, GOAL_MS, "ms") };
      }),
      ...(["dns", "health"] as const).flatMap((asked) =>
        works.map((work): Measurement => {
          const what = `longest wait for ${asked === "dns" ? "DNS" : "/health"} in it, ${work}`;
          return { ...common, what, value: median(figures[work][asked]) };
        }),
      ),
    ];
  },
};

type Work = (typeof works)[number];

function bodiesFor({ backendPort }: Bench, { httpPort }: Site): { readonly [work in Work]: string } {
  const linesTo = (port: number): string => {
    const line = (number: number) => ({
      name: `large-${number}`,
      tags: { of: "large" },
      rules: [
        { match: { hostname: `l${number}.large.test`, port: httpPort }, target: { instance: "vm-0", port } },
      ],
    });
    return Array.from({ length: SIZE }, (_, number) => JSON.stringify(line(number))).join("\n");
  };
  const first = linesTo(backendPort);
  return { created: first, equal: first, changed: linesTo(backendPort + 1), pruned: "" };
}

const effects = { created: "created", equal: "unchanged", changed: "changed", pruned: "deleted" } as const;

/** Makes one of the works; returns how long it took in ms. */
async function make({ api }: Site, work: Work, body: string): Promise<number> {
  const answer = await api.succeed({
    method: "POST",
    path: `/apply${work === "pruned" ? "?prune=selected&tags%5Bof%5D=large" : ""}`,
    headers: { "content-type": "application/x-ndjson" },
    body,
  });
  const counted = (JSON.parse(answer.body) as { readonly [effect: string]: unknown })[effects[work]];
  if (counted !== SIZE) throw new Error(`${work}: ${effects[work]} is ${counted}`);
  return answer.totalMs;
}

/** Asks again and again until it is disposed of, and keeps how long the longest answer took. */
class Waits implements AsyncDisposable {
  #longestMs = 0;
  #isOver = false;
  readonly #end: Promise<void>;

  constructor(ask: (() => Promise<unknown>) & { readonly close: () => void }) {
    this.#end = this.#goOn(ask).finally(ask.close);
    // It is thrown by whoever waits for the end.
    this.#end.catch(() => undefined);
  }

  /** Of the time since the last call, in ms. */
  take(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  async #goOn(ask: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      const began = performance.now();
      await ask();
      this.#longestMs = Math.max(this.#longestMs, performance.now() - began);
      await wait(PAUSE_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#end;
  }
}

function healthAsker({ gatewright }: Site) {
  const client = new HttpClient(gatewright.ports.api);
  return Object.assign(() => client.succeed({ path: "/health" }), { close: () => client.close() });
}

function dnsAsker({ gatewright }: Site) {
  const question = encodeAsk({ name: "vm-0.hypeman.internal" });
  const socket = createSocket("udp4");
  const ask = async () => {
    const answered = once(socket, "message", { signal: AbortSignal.timeout(10_000) });
    socket.send(question, gatewright.ports.dns, "127.0.0.1");
    await answered;
  };
  return Object.assign(ask, { close: () => socket.close() });
}
