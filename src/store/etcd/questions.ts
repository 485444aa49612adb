import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { EtcdClient } from "./client.ts";
import type { Sealer } from "./sealer.ts";
import { endOf, type KeyValue } from "./wire.ts";

export interface QuestionsOptions<Question extends object, Answer extends object> {
  readonly client: EtcdClient;
  readonly sealer: Sealer;
  /** Ends in a slash. */
  readonly prefix: string;
  /** Of this gateway. */
  readonly name: string;
  /** Names of the gateways that live. */
  readonly living: () => Promise<readonly string[]>;
  /** What this gateway says to a question, before the signal ends it. */
  readonly answer: (question: Question, signal: AbortSignal) => Promise<Answer>;
  /** How often it is asked whether the watch missed a question. Default: 2000. */
  readonly checkMs?: number;
}

/** What gateways said, by name; undefined: nothing in time. */
export type Answers<Answer> = ReadonlyMap<string, Answer | undefined>;

/** What stands in a question's key. */
interface Asked<Question> {
  readonly by: string;
  /** Which ends with the question: answers go with it. */
  readonly lease: string;
  readonly limitMs: number;
  readonly question: Question;
}

/** Questions are answered at once up to this many; what is more is not answered, and its gateway counts as late. */
const MOST_AT_ONCE = 256;
const FIRST_LOOK_MS = 15;
const LONGEST_LOOK_MS = 150;
const LIVING_MS = 1_000;

/**
 * Asks all gateways that live, over etcd: they need no way to each other. A question is a key, its answers are keys beside it, all
 * on a lease that ends with whoever asked. Both are encrypted.
 */
export class Questions<Question extends object, Answer extends object> {
  readonly #options: QuestionsOptions<Question, Answer>;
  readonly #closing = new AbortController();
  readonly #seen = new Set<string>();
  readonly #running = new Set<string>();

  constructor(options: QuestionsOptions<Question, Answer>) {
    this.#options = options;
  }

  /** Begins to answer. */
  start(): void {
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
  }

  /**
   * What the other gateways say within a time; one that ends meanwhile is left out. Throws EtcdFailure where etcd does not
   * answer.
   */
  async ask(question: Question, limitMs: number): Promise<Answers<Answer>> {
    const { client, living, name, prefix, sealer } = this.#options;
    const others = async () => (await living()).filter((one) => one !== name);
    let names = await others();
    if (names.length === 0) return new Map();
    const lease = await client.grantLease(Math.ceil(limitMs / 1000) + 5);
    try {
      const place = `questions/${randomUUID()}`;
      const asked: Asked<Question> = { by: name, lease, limitMs, question };
      const put = {
        kind: "put",
        key: prefix + place,
        value: sealer.seal(place, JSON.stringify(asked)),
        lease,
      } as const;
      await client.transact({ compare: [], success: [put] });
      const folder = `${prefix}${place.replace("questions", "answers")}/`;
      const deadline = performance.now() + limitMs;
      let lookedAt = performance.now();
      for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_LOOK_MS)) {
        await sleep(pauseMs);
        const answers = await this.#answersIn(folder);
        if (performance.now() - lookedAt > LIVING_MS) {
          names = await others();
          lookedAt = performance.now();
        }
        const isOver = performance.now() >= deadline;
        if (isOver || names.every((one) => answers.has(one)))
          return new Map(names.map((one) => [one, answers.get(one)]));
      }
    } finally {
      // It ends by itself, too.
      void client.revokeLease(lease).catch(() => undefined);
    }
  }

  async #answersIn(folder: string): Promise<ReadonlyMap<string, Answer>> {
    const { client } = this.#options;
    const { items } = await client.range({ key: folder, end: endOf(folder) });
    return new Map(items.map((item) => [item.key.slice(folder.length), this.#read<Answer>(item)]));
  }

  async #run(): Promise<void> {
    const { client, prefix } = this.#options;
    const { signal } = this.#closing;
    const key = `${prefix}questions/`;
    const range = { key, end: endOf(key) };
    while (!signal.aborted) {
      try {
        const { items, revision } = await client.range(range);
        this.#seen.clear();
        for (const item of items) this.#hear(item);
        await this.#watch(range, revision + 1);
      } catch {
        await sleep(500, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Resolves when the watch has missed a question, and rejects when it breaks. */
  async #watch(range: { readonly key: string; readonly end: string }, from: number): Promise<void> {
    const { checkMs = 2000, client } = this.#options;
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#closing.signal]);
    const checking = (async () => {
      for (let missed = new Set<string>(); ; ) {
        await sleep(checkMs, undefined, { signal });
        const { items } = await client.range({ ...range, keysOnly: true });
        const unseen = items.map(({ key }) => key).filter((key) => !this.#seen.has(key));
        if (unseen.some((key) => missed.has(key))) return;
        missed = new Set(unseen);
        // Those that are over are not asked again.
        for (const key of this.#seen) if (!items.some((item) => item.key === key)) this.#seen.delete(key);
      }
    })();
    const ended = checking.catch(() => undefined).then(() => ending.abort());
    try {
      for await (const { events } of client.watch(range, from, signal))
        for (const { item, kind } of events) if (kind === "put") this.#hear(item);
    } finally {
      ending.abort();
      await ended;
    }
  }

  #hear(item: KeyValue): void {
    if (this.#seen.has(item.key)) return;
    this.#seen.add(item.key);
    if (this.#running.size >= MOST_AT_ONCE) return;
    this.#running.add(item.key);
    // Whoever asked sees that nothing came.
    void this.#answer(item)
      .catch(() => undefined)
      .finally(() => this.#running.delete(item.key));
  }

  async #answer(item: KeyValue): Promise<void> {
    const { answer, client, name, prefix, sealer } = this.#options;
    const { by, lease, limitMs, question } = this.#read<Asked<Question>>(item);
    if (by === name) return;
    const signal = AbortSignal.any([AbortSignal.timeout(limitMs), this.#closing.signal]);
    const said = await answer(question, signal);
    const place = `${item.key.slice(prefix.length).replace("questions", "answers")}/${name}`;
    const value = sealer.seal(place, JSON.stringify(said));
    await client.transact({ compare: [], success: [{ kind: "put", key: prefix + place, value, lease }] });
  }

  #read<Told>({ key, value }: KeyValue): Told {
    const { prefix, sealer } = this.#options;
    return JSON.parse(sealer.open(key.slice(prefix.length), value).toString()) as Told;
  }
}
