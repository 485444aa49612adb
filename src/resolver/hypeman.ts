import { createHash } from "node:crypto";
import { Agent, request } from "undici";
import type { Logger } from "../log.ts";
import { readInstances } from "./instance-reader.ts";
import { SourceView } from "./source-view.ts";

/** How a running hypeman is followed. */
export interface HypemanOptions {
  /** Base URL of its API, such as `http://localhost:4973`. */
  readonly url: string;
  /** Bearer token with the scope `instance:read`; absent: none is sent. */
  readonly token?: string;
  /** Time from one answer to the next question. Default: 2000. */
  readonly intervalMs?: number;
  /** Time for one whole answer. Default: 5000. */
  readonly timeoutMs?: number;
  /** How long the last known list is served while hypeman fails (RFC 8767). Default: one hour. */
  readonly staleMs?: number;
  /** Shortest time between two questions that unknown references cause. Default: 250. */
  readonly askAgainMs?: number;
  readonly logger: Logger;
}

/** Longest time between two questions while hypeman fails. */
const LONGEST_BACKOFF_MS = 30_000;
/** Longest time that a restore or a start may take. */
const LONGEST_WAKING_MS = 60_000;
/** How hypeman starts an instance again, by the state it sleeps in. */
const wakingActions: { readonly [state: string]: string } = {
  Standby: "restore",
  Stopped: "start",
  Shutdown: "start",
};
/** 100,000 instances of 2 KB. A larger answer is a failure, not a reason to run out of memory. */
const LARGEST_ANSWER_BYTES = 200 * 1024 * 1024;

/**
 * Instances of a running hypeman. It has no way to watch the list, so it is asked again and again
 * (`GET /instances`); between two answers everything comes from memory.
 */
export class HypemanResolver extends SourceView {
  readonly #endpoint: URL;
  readonly #token: string | undefined;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #staleMs: number;
  readonly #askAgainMs: number;
  readonly #agent = new Agent({ maxResponseSize: LARGEST_ANSWER_BYTES });
  #running: Promise<void> = Promise.resolve();
  #asking: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #digest = "";

  constructor(options: HypemanOptions) {
    super("hypeman", options.logger);
    this.#endpoint = new URL("instances", options.url.endsWith("/") ? options.url : `${options.url}/`);
    this.#token = options.token;
    this.#intervalMs = options.intervalMs ?? 2000;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#staleMs = options.staleMs ?? 3_600_000;
    this.#askAgainMs = options.askAgainMs ?? 250;
  }

  async start(): Promise<void> {
    await this.#ask();
    this.#running = this.#follow();
  }

  /**
   * Has a sleeping instance restored (`Standby`) or started (`Stopped`) and waits until it has an address. A prefix of
   * an id names none here: hosts of visitors choose the name. Throws a plain Error that says why it cannot be. hypeman:
   * `POST /instances/{id}/restore` and `/start`, scope `instance:write`.
   */
  async wake(name: string): Promise<void> {
    const instance = this.exact(name);
    if (instance === undefined) throw new Error(`there is no one instance ${name}`);
    const { id, state } = instance;
    const action = wakingActions[state];
    if (action === undefined && this.resolve(id).kind !== "addresses" && state !== "Initializing")
      throw new Error(`an instance that is ${state} cannot be started`);
    if (action !== undefined) await this.#order(`${encodeURIComponent(id)}/${action}`);
    const deadline = performance.now() + LONGEST_WAKING_MS;
    while (this.resolve(id).kind !== "addresses") {
      if (performance.now() > deadline || this.closing.signal.aborted)
        throw new Error("it has no address although it was started");
      await this.fetch();
    }
  }

  async #order(path: string): Promise<void> {
    try {
      const { statusCode, body } = await request(new URL(`instances/${path}`, new URL(".", this.#endpoint)), {
        method: "POST",
        dispatcher: this.#agent,
        headers: this.#headers(),
        signal: AbortSignal.any([this.closing.signal, AbortSignal.timeout(LONGEST_WAKING_MS)]),
      });
      await body.dump();
      // 409: somebody else started it meanwhile.
      if (statusCode >= 400 && statusCode !== 409)
        throw new Error(`hypeman answered with status ${statusCode}`);
    } catch (error) {
      throw new Error(this.#reason(error), { cause: error });
    }
  }

  #headers(): { readonly [name: string]: string } {
    return {
      accept: "application/json",
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
    };
  }

  override async close(): Promise<void> {
    this.closing.abort();
    await this.#running;
    await Promise.all([this.#asking, this.#next]);
    await super.close();
    await this.#agent.destroy();
  }

  async #follow(): Promise<void> {
    while (!this.closing.signal.aborted) {
      const backoffMs = Math.min(
        this.#intervalMs * 2 ** this.#failures,
        Math.max(LONGEST_BACKOFF_MS, this.#intervalMs),
      );
      await this.pause(backoffMs);
      if (!this.closing.signal.aborted) await this.#ask();
    }
  }

  /**
   * Waits for an answer to a question that begins from now on: one that is already under way may have been read
   * before the instance was made. All who wait meanwhile share it.
   */
  protected fetch(): Promise<void> {
    this.#next ??= (async () => {
      await this.#asking;
      await this.pause(this.#askedAt + this.#askAgainMs - performance.now());
      this.#next = undefined;
      if (!this.closing.signal.aborted) await this.#ask();
    })();
    return this.#next;
  }

  /** One question at a time; whoever comes meanwhile waits for the same answer. Never throws. */
  #ask(): Promise<void> {
    this.#asking ??= this.#poll().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #poll(): Promise<void> {
    this.#askedAt = performance.now();
    try {
      const body = await this.#fetchList();
      const digest = createHash("sha256").update(body).digest("base64");
      if (digest === this.#digest) this.confirm();
      else this.#accept(body, digest);
      this.#failures = 0;
    } catch (error) {
      if (this.closing.signal.aborted) return;
      this.#failures = Math.min(this.#failures + 1, 16);
      this.fail(this.#reason(error), this.#staleMs);
    }
  }

  #accept(body: Buffer, digest: string): void {
    const { instances, problems } = readInstances(parse(body));
    if (problems.length > 0)
      this.logger.warn("hypeman lists instances that cannot be used", { problems: problems.slice(0, 10) });
    this.accept(instances);
    this.#digest = digest;
  }

  async #fetchList(): Promise<Buffer> {
    const { statusCode, body } = await request(this.#endpoint, {
      dispatcher: this.#agent,
      headers: this.#headers(),
      signal: AbortSignal.any([this.closing.signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    if (statusCode === 200) return Buffer.from(await body.arrayBuffer());
    await body.dump();
    throw new Error(`answered with status ${statusCode}`);
  }

  #reason(error: unknown): string {
    if (!(error instanceof Error)) return "failed";
    if (error.name === "TimeoutError") return `no answer within ${this.#timeoutMs} ms`;
    // A refused connection to several addresses is an AggregateError without a message, but with a code.
    const text =
      error.message === "" ? String((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
    return this.#token === undefined ? text : text.replaceAll(this.#token, "<token>");
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    // The parser's own message quotes the text, which is not ours to log.
    throw new Error("the answer is not JSON");
  }
}
