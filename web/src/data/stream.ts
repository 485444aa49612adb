import { ApiError, type CallOptions, errorOf, noteReachable, send } from "./client.ts";
import { loadSession } from "./session.ts";
import { Store } from "./store.ts";

/** `off` with an error where the token does not permit it: pages then ask now and then. */
export type StreamState =
  | { readonly kind: "connecting" | "open" }
  | { readonly kind: "off"; readonly error?: ApiError }
  | { readonly kind: "lost"; readonly since: Date };

/** A stream says something every 15 s: one that is silent for longer is dead, as it is after a sleep. */
const SILENCE_MS = 35_000;
const RETRY_MS = 2_000;
/** Browsers keep six connections to a host: pages that nobody has looked at for so long need none. */
const UNSEEN_MS = 60_000;

/** What the API tells as it comes, resumed after the last one whatever ended the stream. */
export class Stream<Item> {
  readonly state = new Store<StreamState>({ kind: "off" });
  readonly #path: string;
  readonly #first: CallOptions["query"];
  readonly #listeners = new Set<(item: Item | "gap") => void>();
  #lastId: string | undefined;
  #stop: AbortController | undefined;

  /** `first` is the query of the first call alone: it says where to begin. */
  constructor(path: string, first?: CallOptions["query"]) {
    this.#path = path;
    this.#first = first;
  }

  start(): void {
    if (this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    void this.#run(stop.signal);
  }

  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.state.set({ kind: "off" });
  }

  /** Hears each item, and `gap` where some were missed. Returns what ends it. */
  listen(listener: (item: Item | "gap") => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(stop: AbortSignal): Promise<void> {
    this.state.set({ kind: "connecting" });
    while (!stop.aborted) {
      await seen(stop);
      try {
        await this.#read(stop);
      } catch (error) {
        if (stop.aborted) return;
        if (error instanceof ApiError && [401, 403, 404].includes(error.status)) {
          this.#stop = undefined;
          this.state.set({ kind: "off", error });
          // The session may have ended: that asks for another, and says why.
          if (error.status === 401) await loadSession().catch(() => undefined);
          return;
        }
      }
      if (stop.aborted) return;
      if (document.hidden) continue;
      if (this.state.value.kind !== "lost") this.state.set({ kind: "lost", since: new Date() });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #read(stop: AbortSignal): Promise<void> {
    const end = new AbortController();
    const endAfter = (ms: number): ReturnType<typeof setTimeout> => setTimeout(() => end.abort(), ms);
    let silence = endAfter(SILENCE_MS);
    let unseen: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      clearTimeout(unseen);
      if (document.hidden) unseen = endAfter(UNSEEN_MS);
    };
    document.addEventListener("visibilitychange", look);
    try {
      const response = await send("GET", this.#path, {
        headers: {
          Accept: "text/event-stream",
          ...(this.#lastId === undefined ? {} : { "Last-Event-ID": this.#lastId }),
        },
        ...(this.#lastId === undefined && this.#first !== undefined ? { query: this.#first } : {}),
        signal: AbortSignal.any([stop, end.signal]),
      });
      if (!response.ok || response.body === null) throw errorOf(response.status, await response.text());
      this.state.set({ kind: "open" });
      const frames = new Frames();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = endAfter(SILENCE_MS);
        for (const frame of frames.add(value)) this.#take(frame);
      }
    } catch (error) {
      if (!(error instanceof ApiError) && !stop.aborted && !document.hidden) noteReachable(false);
      throw error;
    } finally {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(silence);
      clearTimeout(unseen);
    }
  }

  #take({ id, type, data }: Frame): void {
    if (id !== undefined) this.#lastId = id;
    if (data === "") return;
    const told = type === "gap" ? "gap" : (JSON.parse(data) as Item);
    for (const listener of [...this.#listeners]) listener(told);
  }
}

/** Resolves when somebody looks at the page, or `stop` ends the wait. */
function seen(stop: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden && !stop.aborted) return;
      document.removeEventListener("visibilitychange", look);
      stop.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    stop.addEventListener("abort", look);
  });
}

interface Frame {
  readonly id: string | undefined;
  readonly type: string;
  readonly data: string;
}

/** Cuts a stream of server-sent events into its frames. */
class Frames {
  #rest = "";

  add(text: string): readonly Frame[] {
    const parts = (this.#rest + text).split("\n\n");
    this.#rest = parts.pop() ?? "";
    return parts.map((part) => {
      const field = (name: string): string[] =>
        part
          .split("\n")
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, ""));
      return {
        id: field("id").at(-1),
        type: field("event").at(-1) ?? "message",
        data: field("data").join("\n"),
      };
    });
  }
}
