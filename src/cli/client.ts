import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { ErrorResponse } from "../model/api.ts";
import { exitCodeOf, exitCodes, Failure } from "./failure.ts";

/** Where a Gatewright answers, and as whom it is asked. */
export interface Endpoint {
  /** `http://…`, `https://…`, or for a socket `unix:///path` or, as in LISTEN_ADDRESS, `unix//path`. */
  readonly url: string;
  readonly token?: string;
}

/** One call of the API. */
export interface ApiCall {
  readonly method?: string;
  /** Path and query. */
  readonly path: string;
  /** Sent as JSON unless `type` says otherwise; then it is a text. */
  readonly body?: unknown;
  readonly type?: string;
  /** The body instead, of `type`, as it comes. */
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly headers?: { readonly [name: string]: string };
  /** A status beside 2xx that is no refusal. */
  readonly also?: number;
}

/** An answer that was not refused. */
export interface ApiAnswer<T> {
  readonly body: T;
  /** The next page's path; undefined on the last one. */
  readonly next: string | undefined;
  readonly etag: string | undefined;
}

/** How changes wait for all gateways. */
export interface Waiting {
  /** Such as `10s`. */
  readonly time: string;
  /** Hears the names of those that did not serve a change in time, or `*`. */
  readonly late: (names: string) => void;
}

/** Calls that can wait for all gateways. */
const CHANGE = /^\/(?:(?:ingresses|instances|certificates|tokens|revisions)(?:\/|\?|$)|apply(?:\?|$))/;

/** The API of one Gatewright. Methods throw a Failure. */
export class ApiClient {
  readonly #endpoint: Endpoint;
  readonly #waiting: Waiting | undefined;

  constructor(endpoint: Endpoint, waiting?: Waiting) {
    this.#endpoint = endpoint;
    this.#waiting = waiting;
  }

  async get<T>(path: string): Promise<T> {
    return (await this.call<T>({ path })).body;
  }

  /** The entries of a list, page by page. */
  async *pages<T>(path: string): AsyncGenerator<readonly T[]> {
    for (let next: string | undefined = path; next !== undefined; ) {
      const answer: ApiAnswer<readonly T[]> = await this.call({ path: next });
      yield answer.body;
      next = answer.next;
    }
  }

  async call<T>(call: ApiCall): Promise<ApiAnswer<T>> {
    const response = await this.open(call);
    const body = await text(response);
    const { link = "", etag } = response.headers;
    return {
      body: (body === "" ? undefined : parse(body)) as T,
      next: /<([^>]*)>; rel="next"/.exec(String(link))?.[1],
      etag,
    };
  }

  /** The answer as it comes. */
  async open(call: ApiCall): Promise<IncomingMessage> {
    const response = await this.#send(call);
    const { statusCode: status = 0, headers } = response;
    const { "gatewright-late": late } = headers;
    if (typeof late === "string") this.#waiting?.late(late);
    if ((status >= 200 && status < 300) || status === call.also) return response;
    throw refusalOf(status, await text(response), call.path);
  }

  #waited(method: string, path: string): string {
    if (this.#waiting === undefined || method === "GET" || !CHANGE.test(path)) return path;
    const wait = `wait=all&wait_timeout=${encodeURIComponent(this.#waiting.time)}`;
    return `${path}${path.includes("?") ? "&" : "?"}${wait}`;
  }

  #send({ method = "GET", path, body, stream, type, headers = {} }: ApiCall): Promise<IncomingMessage> {
    const { url, token } = this.#endpoint;
    const content =
      stream !== undefined
        ? undefined
        : type !== undefined
          ? String(body)
          : body === undefined
            ? undefined
            : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      path: this.#waited(method, path),
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(content === undefined
          ? {}
          : { "Content-Type": type ?? "application/json", "Content-Length": Buffer.byteLength(content) }),
        ...(stream === undefined || type === undefined ? {} : { "Content-Type": type }),
        ...headers,
      },
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const made = requestTo(url, options);
    made.on("response", resolve);
    made.on("error", (error) => reject(unreachable(url, error)));
    if (stream === undefined) made.end(content);
    // What the other end does not take any more it answers; what cannot be read is another matter.
    else
      pipeline(stream, made).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
      });
    return promise;
  }
}

function requestTo(url: string, options: RequestOptions) {
  const socketPath = socketOf(url);
  if (socketPath !== undefined) return httpRequest({ ...options, socketPath, host: "localhost" });
  const target = urlOf(url);
  const at = { host: target.hostname.replace(/^\[|\]$/g, ""), port: target.port };
  const path = target.pathname.replace(/\/$/, "") + (options.path ?? "");
  return (target.protocol === "https:" ? httpsRequest : httpRequest)({ ...options, ...at, path });
}

/** The path of a socket; undefined for other addresses. */
export function socketOf(url: string): string | undefined {
  return /^unix(?::(?:\/\/)?|\/)(\/.+)$/.exec(url)?.[1];
}

/** An address of a Gatewright that is no socket. Throws where it is no URL of HTTP. */
export function urlOf(url: string): URL {
  const target = URL.parse(url);
  if (target === null || !/^https?:$/.test(target.protocol))
    throw new Failure(
      `${url} is no URL: give one such as http://127.0.0.1:8080, or unix:///path for a socket`,
      exitCodes.usage,
    );
  return target;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function unreachable(url: string, error: Error): Failure {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.message;
  const hint = "is it running, and is this its address? Give --url, GATEWRIGHT_URL or a context";
  return new Failure(
    `no Gatewright answers at ${url} (${code || error.message}): ${hint}`,
    exitCodes.unavailable,
  );
}

/** What is listed where one of them is not found. */
const collections: { readonly [segment: string]: { readonly noun: string; readonly list: string } } = {
  ingresses: { noun: "ingress", list: "gatewright ingress list" },
  instances: { noun: "instance", list: "gatewright instance list" },
  certificates: { noun: "certificate", list: "gatewright cert list" },
};

/** The API's words for what is missing are the same for everything: the path has what was asked for. */
function missingText(path: string): string | undefined {
  const [, segment = "", name] = path.split(/[/?]/);
  const collection = collections[segment];
  if (collection === undefined || name === undefined) return undefined;
  return `there is no ${collection.noun} ${decodeURIComponent(name)}; \`${collection.list}\` shows what there is`;
}

function refusalOf(status: number, body: string, path: string): Failure {
  const answer = parse(body) as Partial<ErrorResponse> | string;
  if (typeof answer !== "object" || answer === null || answer.message === undefined)
    return new Failure(`the answer was ${status}: ${body.slice(0, 300).trim()}`, exitCodeOf(status));
  const missing = status === 404 && answer.message === "resource not found" ? missingText(path) : undefined;
  if (missing !== undefined) return new Failure(missing, exitCodes.notFound);
  const hint = status === 401 ? "; give a token by --token, GATEWRIGHT_TOKEN or a context" : "";
  const { details = [] } = answer;
  // In hypeman's words, which the first problem says in plain ones.
  const message = answer.message.startsWith("request body has an error: ") ? details[0]?.message : undefined;
  return new Failure(`${message ?? answer.message}${hint}`, exitCodeOf(status), details);
}
