import { createHash } from "node:crypto";
import { Agent, request } from "undici";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import { readInstances } from "./instance-reader.ts";
import { type SourceOptions, SourceView } from "./source-view.ts";

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
  /**
   * Takes the waking of an instance; undefined while another gateway is at it. What it returns gives it back. Default: there
   * is no other.
   */
  readonly takeWaking?: (name: string) => Promise<(() => Promise<void>) | undefined>;
  readonly track?: SourceOptions["track"];
  readonly events?: SourceOptions["events"];
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
/** What is taken where nobody else is. */
const noOther: Promise<() => Promise<void>> = Promise.resolve(async () => undefined);
/** 100,000 instances of 2 KB. A larger answer is a failure, not a reason to run out of memory. */
const LARGEST_ANSWER_BYTES = 200 * 1024 * 1024;

/**
 * Instances of a running hypeman. It has no way to watch the list, so it is asked again and again
 * (`GET /instances`); between two answers everything comes from memory.
 */
export class HypemanResolver extends SourceView {
  readonly #endpoint: URL;
  #token: string | undefined;
  readonly #timeoutMs: number;
  readonly #takeWaking: HypemanOptions["takeWaking"];
  readonly #agent = new Agent({ maxResponseSize: LARGEST_ANSWER_BYTES });
  #digest = "";

  constructor({ intervalMs = 2000, staleMs = 3_600_000, askAgainMs = 250, ...options }: HypemanOptions) {
    const { url, token, timeoutMs = 5000, events, logger, track } = options;
    super({
      source: "hypeman",
      intervalMs,
      longestIntervalMs: LONGEST_BACKOFF_MS,
      staleMs,
      askAgainMs,
      events,
      logger,
      track,
    });
    this.#endpoint = new URL("instances", url.endsWith("/") ? url : `${url}/`);
    this.#token = token;
    this.#takeWaking = options.takeWaking;
    this.#timeoutMs = timeoutMs;
  }

  /** Sends another token from now on. */
  renewToken(token: string | undefined): void {
    this.#token = token;
  }

  /**
   * Has a sleeping instance restored (`Standby`) or started (`Stopped`) and waits until it has an address. A prefix of
   * an id names none here: hosts of visitors choose the name. Of several gateways one does it, and the others wait for
   * the address. Throws a plain Error that says why it cannot be. hypeman:
   * `POST /instances/{id}/restore` and `/start`, scope `instance:write`.
   */
  async wake(name: string): Promise<void> {
    const deadline = performance.now() + LONGEST_WAKING_MS;
    const { id } = this.#waking(name);
    for (;;) {
      const release = await (this.#takeWaking?.(id) ?? noOther);
      if (release !== undefined) {
        try {
          return await this.#wake(name);
        } finally {
          await release();
        }
      }
      await this.refetch();
      if (this.resolve(id).kind === "addresses") return;
      if (performance.now() > deadline || this.closed.aborted)
        throw new Error("another gateway is waking it, and it has no address yet");
    }
  }

  async #wake(name: string): Promise<void> {
    // What another gateway did may not have been seen yet.
    if (this.#takeWaking !== undefined) await this.refetch();
    const instance = this.#waking(name);
    const { id, state } = instance;
    const action = wakingActions[state];
    if (action === undefined && this.resolve(id).kind !== "addresses" && state !== "Initializing")
      throw new Error(`an instance that is ${state} cannot be started`);
    if (action !== undefined) await this.#order(`/${encodeURIComponent(id)}/${action}`);
    const deadline = performance.now() + LONGEST_WAKING_MS;
    while (this.resolve(id).kind !== "addresses") {
      if (performance.now() > deadline || this.closed.aborted)
        throw new Error("it has no address although it was started");
      await this.refetch();
    }
  }

  #waking(name: string): Instance {
    const instance = this.exact(name);
    if (instance === undefined) throw new Error(`there is no one instance ${name}`);
    return instance;
  }

  async #order(path: string): Promise<void> {
    const { status } = await this.#request("POST", path, LONGEST_WAKING_MS);
    // 409: somebody else started it meanwhile.
    if (status >= 400 && status !== 409) throw new Error(`hypeman answered with status ${status}`);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#agent.destroy();
  }

  protected async fetch(): Promise<readonly Instance[] | undefined> {
    const { status, body } = await this.#request("GET", "", this.#timeoutMs);
    if (status !== 200) throw new Error(`answered with status ${status}`);
    const digest = createHash("sha256").update(body).digest("base64");
    if (digest === this.#digest) return undefined;
    const { instances, problems } = readInstances(parse(body));
    if (problems.length > 0)
      this.logger.warn("hypeman lists instances that cannot be used", { problems: problems.slice(0, 10) });
    this.#digest = digest;
    return instances;
  }

  /** The body is empty unless the status is 200. */
  async #request(
    method: "GET" | "POST",
    path: string,
    timeoutMs: number,
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    try {
      const { statusCode, body } = await request(`${this.#endpoint}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: {
          accept: "application/json",
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        signal: AbortSignal.any([this.closed, AbortSignal.timeout(timeoutMs)]),
      });
      if (statusCode === 200) return { status: statusCode, body: Buffer.from(await body.arrayBuffer()) };
      await body.dump();
      return { status: statusCode, body: Buffer.alloc(0) };
    } catch (error) {
      throw new Error(this.#reason(error, timeoutMs), { cause: error });
    }
  }

  #reason(error: unknown, timeoutMs: number): string {
    if (!(error instanceof Error)) return "failed";
    if (error.name === "TimeoutError") return `no answer within ${timeoutMs} ms`;
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
