import { setImmediate as nextTurn } from "node:timers/promises";
import type { Response } from "express";
import { GatewrightError } from "../errors.ts";
import type { HttpLimits } from "./limits.ts";
import { PIECE_BYTES } from "./wire.ts";

export type StreamLimits = Pick<HttpLimits, "eventStreams" | "heartbeatMs">;

/** What is told as it comes, and is kept for a while: the log of events, Caddy's log. */
export interface Feed<Item> {
  /** The id of the newest; ids grow. */
  readonly lastId: number;
  /** The id of the last one that is not kept any more. */
  readonly droppedId: number;
  /** Those that follow an id, the oldest first, at most so many. */
  after(id: number, most: number): readonly Item[];
  /** Calls back after new ones. Returns what ends it. */
  watch(listener: () => void): () => void;
}

/** An item as a client is told of it. */
export interface Told {
  readonly type: string;
  /** One line of JSON. */
  readonly data: string;
}

/** What one client wants to hear. */
export interface StreamOptions<Item> {
  /** Id of the item after which it begins. */
  readonly after: number;
  /** Undefined for one of which it is not told. */
  readonly tell: (item: Item) => Told | undefined;
  /** When the client's token ends, and the stream with it. */
  readonly endsAtMs?: number | undefined;
  /** The client's token, and session. */
  readonly of?: readonly (string | undefined)[];
}

/** Clients that lose their connection come back after so long. */
const RETRY_MS = 2_000;
/** Items that are looked at before others have their turn. */
const BATCH = 200;
/** setTimeout takes no more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The streams of server-sent events that are open. Each reads its feed by itself, at the pace of its client: nothing is kept
 * for a slow one beyond what its socket holds, and one that falls out of the feed is dropped.
 */
export class EventStreams {
  readonly #limits: StreamLimits;
  readonly #open = new Map<Pick<Stream<never>, "cut" | "end">, readonly (string | undefined)[]>();
  #isClosed = false;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Begins to answer with a stream. Throws `overloaded` where as many are open as may be, and `shutting_down`. */
  begin<Item extends { readonly id: number }>(
    response: Response,
    feed: Feed<Item>,
    options: StreamOptions<Item>,
  ): void {
    if (this.#isClosed) throw new GatewrightError("shutting_down", "Gatewright is stopping");
    if (this.#open.size >= this.#limits.eventStreams)
      throw new GatewrightError(
        "overloaded",
        "as many streams of events are open as may be; try again later",
      );
    const stream = new Stream(response, feed, options, this.#limits.heartbeatMs);
    this.#open.set(stream, options.of ?? []);
    response.once("close", () => {
      stream.stop();
      this.#open.delete(stream);
    });
    stream.start();
  }

  /** Cuts every stream: clients come back, and whoever is not let in any more stays out. */
  cutAll(): void {
    for (const stream of this.#open.keys()) stream.cut();
  }

  /** Cuts the streams of a token that is taken no more, or of a session that has ended. */
  cutThoseOf(id: string): void {
    for (const [stream, of] of this.#open) if (of.includes(id)) stream.cut();
  }

  /** Ends every stream, after what there is to say. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open.keys()) stream.end();
  }
}

class Stream<Item extends { readonly id: number }> {
  readonly #response: Response;
  readonly #feed: Feed<Item>;
  readonly #tell: StreamOptions<Item>["tell"];
  readonly #unwatch: () => void;
  readonly #timers: readonly NodeJS.Timeout[];
  #cursor: number;
  /** The client has not taken what was written. */
  #isBlocked = false;
  #isSending = false;
  #isEnding = false;

  constructor(response: Response, feed: Feed<Item>, options: StreamOptions<Item>, heartbeatMs: number) {
    this.#response = response;
    this.#feed = feed;
    this.#tell = options.tell;
    this.#cursor = options.after;
    this.#unwatch = feed.watch(() => void this.#send());
    const heartbeat = setInterval(() => this.#beat(), heartbeatMs);
    const { endsAtMs } = options;
    this.#timers =
      endsAtMs === undefined
        ? [heartbeat]
        : [heartbeat, setTimeout(() => this.expire(), Math.min(endsAtMs - Date.now(), LONGEST_TIMEOUT_MS))];
    for (const timer of this.#timers) timer.unref();
  }

  start(): void {
    const response = this.#response;
    response.statusCode = 200;
    response.setHeader("Content-Type", "text/event-stream");
    // nginx would collect the events.
    response.setHeader("X-Accel-Buffering", "no");
    response.on("drain", () => {
      this.#isBlocked = false;
      void this.#send();
    });
    const { droppedId, lastId } = this.#feed;
    if (this.#cursor < droppedId || this.#cursor > lastId) {
      this.#write(gapFrame(this.#cursor));
      this.#cursor = Math.min(Math.max(this.#cursor, droppedId), lastId);
    }
    this.#write(`retry: ${RETRY_MS}\n${idFrame(this.#cursor)}`);
    void this.#send();
  }

  stop(): void {
    this.#unwatch();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Says nothing more. */
  cut(): void {
    this.stop();
    this.#response.destroy();
  }

  /** After what there is to say, and at once for a client that is behind: the token says until when it is told. */
  expire(): void {
    if (this.#isBlocked || this.#isSending) this.cut();
    else this.end();
  }

  /** After what there is to say. A client that does not take it is cut when the server closes. */
  end(): void {
    this.#isEnding = true;
    void this.#send();
  }

  /** Writes until there is no more, or the client takes no more. */
  async #send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    while (!this.#isBlocked && !this.#response.destroyed) {
      // Slower than the feed: it comes back, and is told what it has missed.
      if (this.#cursor < this.#feed.droppedId) {
        this.#response.destroy();
        break;
      }
      const items = this.#feed.after(this.#cursor, BATCH);
      if (items.length === 0) break;
      this.#write(this.#framesOf(items));
      await nextTurn();
    }
    this.#isSending = false;
    if (this.#isEnding && !this.#isBlocked) this.#response.end();
  }

  /** Those that are wanted, as many as make a piece, and goes on behind them. */
  #framesOf(items: readonly Item[]): string {
    let frames = "";
    for (const item of items) {
      this.#cursor = item.id;
      const told = this.#tell(item);
      if (told !== undefined) frames += `id: ${item.id}\nevent: ${told.type}\ndata: ${told.data}\n\n`;
      if (frames.length >= PIECE_BYTES) break;
    }
    return frames;
  }

  /** Keeps connections open that would be taken for dead, and says how far those that were not wanted have come. */
  #beat(): void {
    if (!this.#isBlocked) this.#write(`: heartbeat\n${idFrame(this.#cursor)}`);
  }

  #write(text: string): void {
    if (text !== "" && !this.#response.write(text)) this.#isBlocked = true;
  }
}

/** An id without data is remembered by clients, and tells them nothing. */
function idFrame(id: number): string {
  return `id: ${id}\n\n`;
}

function gapFrame(after: number): string {
  const message = "events after this one are not kept any more; what follows is what there is";
  return `event: gap\ndata: ${JSON.stringify({ after, message })}\n\n`;
}
