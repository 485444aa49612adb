import { ApiError, noteReachable, send } from "./client.ts";
import { loadSession } from "./session.ts";
import { Store } from "./store.ts";
import type { Event } from "./types.ts";

/** `off` where the token does not permit events: pages then ask now and then. */
export type LiveState =
  | { readonly kind: "off" | "connecting" | "open" }
  | { readonly kind: "lost"; readonly since: Date };

/** A stream says something every 15 s: one that is silent for longer is dead, as it is after a sleep. */
const SILENCE_MS = 35_000;
const RETRY_MS = 2_000;

/** The events of the API as they come, resumed after the last one whatever ended the stream. */
class Live {
  readonly state = new Store<LiveState>({ kind: "off" });
  readonly #listeners = new Set<(event: Event | "gap") => void>();
  #lastId: string | undefined;
  #stop: AbortController | undefined;

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

  /** Hears each event, and `gap` where some were missed. Returns what ends it. */
  listen(listener: (event: Event | "gap") => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(stop: AbortSignal): Promise<void> {
    this.state.set({ kind: "connecting" });
    while (!stop.aborted) {
      try {
        await this.#read(stop);
      } catch (error) {
        if (stop.aborted) return;
        if (
          error instanceof ApiError &&
          (error.status === 403 || error.status === 404 || error.status === 401)
        ) {
          this.#stop = undefined;
          this.state.set({ kind: "off" });
          // The session may have ended: that asks for another, and says why.
          if (error.status === 401) await loadSession().catch(() => undefined);
          return;
        }
      }
      if (stop.aborted) return;
      if (this.state.value.kind !== "lost") this.state.set({ kind: "lost", since: new Date() });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #read(stop: AbortSignal): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = {
        Accept: "text/event-stream",
        ...(this.#lastId === undefined ? {} : { "Last-Event-ID": this.#lastId }),
      };
      const response = await send("GET", "/events", {
        headers,
        signal: AbortSignal.any([stop, silence.signal]),
      });
      if (!response.ok || response.body === null)
        throw new ApiError(response.status, { code: "unreachable", message: "no stream" });
      this.state.set({ kind: "open" });
      const frames = new Frames();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        for (const frame of frames.add(value)) this.#take(frame);
      }
    } catch (error) {
      if (!(error instanceof ApiError) && !stop.aborted) noteReachable(false);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #take({ id, type, data }: Frame): void {
    if (id !== undefined) this.#lastId = id;
    if (data === "") return;
    const told = type === "gap" ? "gap" : (JSON.parse(data) as Event);
    for (const listener of [...this.#listeners]) listener(told);
  }
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

export const live = new Live();
