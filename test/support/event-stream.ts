import { type IncomingMessage, request } from "node:http";
import { until } from "./until.ts";

/** One event of a stream, as a client of the browser's kind takes it. */
export interface StreamedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly [key: string]: unknown };
}

/** A client that reads a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface EventStreamClient extends Disposable {
  readonly response: IncomingMessage;
  readonly events: readonly StreamedEvent[];
  /** What was read, comments included. */
  readonly text: string;
  /** What it would send in Last-Event-ID. */
  readonly lastId: string;
  /** Whether the server ended it: whole, or cut off. */
  readonly ended: "no" | "ended" | "cut";
  /** Waits for an event that fits. */
  find(fits: (event: StreamedEvent) => boolean): Promise<StreamedEvent>;
}

/** Opens a stream; `url` is the API's, `query` begins with `?`. Throws for another answer than 200. Default path: `/events`. */
export async function openEventStream(
  url: string,
  query = "",
  headers: { readonly [name: string]: string } = {},
  path = "/events",
): Promise<EventStreamClient> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(`${url}${path}${query}`, { agent: false, headers }, resolve);
  sent.on("error", reject);
  sent.end();
  const response = await promise;
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`);
  const events: StreamedEvent[] = [];
  let [text, unread, lastId] = ["", "", ""];
  let ended: EventStreamClient["ended"] = "no";
  const take = (frame: string): void => {
    const fields = new Map(
      frame.split("\n").map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      }),
    );
    lastId = fields.get("id") ?? lastId;
    const data = fields.get("data");
    if (data !== undefined)
      events.push({ id: lastId, type: fields.get("event") ?? "message", data: JSON.parse(data) });
  };
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    text += chunk;
    unread += chunk;
    const frames = unread.split("\n\n");
    unread = frames.pop() ?? "";
    frames.forEach(take);
  });
  response.on("end", () => (ended = "ended"));
  response.on("error", () => (ended = "cut"));
  return {
    response,
    events,
    get text() {
      return text;
    },
    get lastId() {
      return lastId;
    },
    get ended() {
      return ended;
    },
    find: async (fits) => {
      await until(() => events.some(fits));
      return events.find(fits) as StreamedEvent;
    },
    [Symbol.dispose]: () => void sent.destroy(),
  };
}
