import { setTimeout as sleep } from "node:timers/promises";
import type { CreateIngressRequest, ErrorResponse, Ingress } from "../../../src/model/api.ts";
import { rule } from "../api.ts";
import type { Effect, Recorder } from "./record.ts";
import type { Got } from "./visitor.ts";
import { BACKENDS, type HistoryGateway } from "./world.ts";

/** Hostnames that all clients want. */
export const HOSTS = ["a", "b", "c", "d"].map((name) => `${name}.history.test`);
/** Longer than a gateway waits for its Caddy and for etcd: when all calls have ended, nothing is under way. */
const TIMEOUT_MS = 60_000;

/** An ingress that a client knows to be there unless another one has deleted it. */
interface Own {
  readonly name: string;
  readonly host: string;
}

/** What became of a call. */
interface Told {
  readonly kind: "done" | "conflict" | "gone" | "refused" | "unknown";
  readonly effects: readonly Effect[];
  readonly isOpen?: boolean;
}

/** The first answers that no client expects. */
export type Surprises = string[];

/** What the answer of a change says of the change's effects. */
function told(
  got: Got,
  effects: readonly Effect[],
  conflict: readonly Effect[],
  gone: readonly Effect[],
  surprises: Surprises,
): Told {
  const unknown: Told = { kind: "unknown", effects, isOpen: true };
  if (got.status === undefined)
    return got.error === "ECONNREFUSED" ? { kind: "refused", effects: [] } : unknown;
  if (got.status < 300) return { kind: "done", effects };
  const { code } = JSON.parse(got.text) as ErrorResponse;
  if (got.status === 409 && code === "hostname_in_use") return { kind: "conflict", effects: conflict };
  if (got.status === 404) return { kind: "gone", effects: gone };
  if (code === "store_outcome_unknown") return unknown;
  if (got.status === 503) return { kind: "refused", effects: [] };
  surprises.push(`${got.status} ${got.text.slice(0, 300)}`);
  return unknown;
}

function documentOf(name: string, host: string, port: number): CreateIngressRequest {
  return { name, rules: [rule(host, "vm", port)] };
}

const releases = (names: readonly string[], but: readonly string[] = []): readonly Effect[] =>
  HOSTS.filter((host) => !but.includes(host)).map((host) => ({ host, do: "release", names }));
const absent = (name: string): readonly Effect[] =>
  HOSTS.map((host) => ({ host, do: "absent", names: [name] }));

/** Creates, moves, swaps and deletes ingresses of few hostnames at one gateway. */
export class HistoryClient {
  readonly #number: number;
  readonly #gateway: HistoryGateway;
  readonly #recorder: Recorder;
  readonly #random: () => number;
  readonly #surprises: Surprises;
  #own: Own[] = [];
  #names = 0;

  constructor(
    number: number,
    gateway: HistoryGateway,
    recorder: Recorder,
    random: () => number,
    surprises: Surprises,
  ) {
    this.#number = number;
    this.#gateway = gateway;
    this.#recorder = recorder;
    this.#random = random;
    this.#surprises = surprises;
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const luck = this.#random();
      const [one, two] = this.#own;
      if (one === undefined || luck < 0.4) await this.#create(this.#pick(HOSTS));
      else if (two !== undefined && luck < 0.6) await this.#swap(one, two);
      else if (luck < 0.8) await this.#move(one, this.#pick(HOSTS));
      else await this.#delete(one.name);
      await sleep(20 + 40 * this.#random());
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  async #create(host: string): Promise<void> {
    const name = `n${this.#number}-${this.#names++}`;
    const port = this.#pick(BACKENDS);
    const got = await this.#change("/ingresses", "POST", documentOf(name, host, port), {
      done: [{ host, do: "take", names: [name], port, over: [] }],
      conflict: [{ host, do: "held", names: [name] }],
      gone: [],
    });
    if (got === "done") this.#own.push({ name, host });
    // What is nobody's any more would keep its hostname for ever.
    if (got === "conflict" && this.#random() < 0.3) await this.#deleteHolder(host);
  }

  async #move({ name }: Own, host: string): Promise<void> {
    const port = this.#pick(BACKENDS);
    const got = await this.#change(`/ingresses/${name}`, "PUT", documentOf(name, host, port), {
      done: [{ host, do: "take", names: [name], port, over: [name] }, ...releases([name], [host])],
      conflict: [{ host, do: "held", names: [name] }],
      gone: absent(name),
    });
    this.#forget(got, [name]);
    if (got === "done") this.#own = this.#own.map((one) => (one.name === name ? { name, host } : one));
  }

  async #swap(one: Own, two: Own): Promise<void> {
    const names = [one.name, two.name];
    const [first, second] = [this.#pick(BACKENDS), this.#pick(BACKENDS)];
    const set = [documentOf(one.name, two.host, first), documentOf(two.name, one.host, second)];
    if (one.host === two.host) return this.#delete(one.name);
    const got = await this.#change("/apply", "POST", set, {
      done: [
        { host: two.host, do: "take", names: [one.name], port: first, over: names },
        { host: one.host, do: "take", names: [two.name], port: second, over: names },
        ...releases(names, [one.host, two.host]),
      ],
      // One of the two is somebody else's; which one is not told of each.
      conflict: [],
      gone: [],
    });
    this.#forget(got, names);
    if (got === "done")
      this.#own = this.#own.map((own) => {
        if (own.name === one.name) return { name: own.name, host: two.host };
        return own.name === two.name ? { name: own.name, host: one.host } : own;
      });
    // One of them was deleted, and its hostname given to another.
    if (got === "conflict") this.#own = this.#own.filter(({ name }) => !names.includes(name));
  }

  async #delete(name: string): Promise<void> {
    const got = await this.#change(`/ingresses/${name}`, "DELETE", undefined, {
      done: releases([name]),
      conflict: [],
      gone: absent(name),
    });
    this.#own = this.#own.filter((own) => own.name !== name || got === "refused");
  }

  async #deleteHolder(host: string): Promise<void> {
    const list: readonly Ingress[] = await this.#gateway.list().catch(() => []);
    const holder = list.find(({ rules }) => rules.some(({ match }) => match.hostname === host));
    if (holder !== undefined) await this.#delete(holder.name);
  }

  /** An ingress that is gone, or of which nobody knows what became, is not touched again. */
  #forget(got: Told["kind"], names: readonly string[]): void {
    if (got === "gone" || got === "unknown")
      this.#own = this.#own.filter(({ name }) => !names.includes(name));
  }

  async #change(
    path: string,
    method: string,
    body: unknown,
    effects: {
      readonly done: readonly Effect[];
      readonly conflict: readonly Effect[];
      readonly gone: readonly Effect[];
    },
  ): Promise<Told["kind"]> {
    const { kind } = await this.#recorder.call(this.#number, async () =>
      told(
        await this.#gateway.ask(path, {
          method,
          timeoutMs: TIMEOUT_MS,
          ...(body === undefined ? {} : { body }),
        }),
        effects.done,
        effects.conflict,
        effects.gone,
        this.#surprises,
      ),
    );
    return kind;
  }
}
