import { Store } from "./store.ts";
import type { ErrorCode, ErrorResponse, Problem } from "./types.ts";

/** An answer of the API that is no success. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: ErrorCode | "unreachable";
  readonly details: readonly Problem[];

  constructor(
    status: number,
    {
      code,
      message,
      details,
    }: Pick<ErrorResponse, "message" | "details"> & { readonly code: ApiError["code"] },
  ) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details ?? [];
  }
}

export interface CallOptions {
  readonly query?: { readonly [key: string]: string | number | undefined };
  readonly body?: unknown;
  readonly contentType?: string;
  /** An ETag or a revision, in its quotes: the call is refused when it is not the present one. */
  readonly ifMatch?: string | undefined;
  readonly headers?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
}

export interface Answer<T> {
  readonly data: T;
  readonly headers: Headers;
}

/** Since when the API has not answered; undefined while it does. */
export const unreachableSince = new Store<Date | undefined>(undefined);
/** Whether the API wants a login, and why. */
export const loginWanted = new Store<false | "needed" | "ended">(false);

/** Notes that the API answers, or that it does not. */
export function noteReachable(isReachable: boolean): void {
  if (isReachable) unreachableSince.set(undefined);
  else if (unreachableSince.value === undefined) unreachableSince.set(new Date());
}

/** One call of the API. Throws `ApiError`, with code `unreachable` where there is no answer. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const response = await send(method, path, options);
  const { data, text } = await bodyOf<T>(response, options.signal);
  if (response.ok) return { data, headers: response.headers };
  const error = errorOf(response.status, text);
  if (response.status === 401 && path !== "/session") loginWanted.set(loginWanted.value || "ended");
  throw error;
}

/** An answer's body. One that is cut off, as by a Gatewright that ends, is no answer. */
async function bodyOf<T>(
  response: Response,
  signal: AbortSignal | undefined,
): Promise<{ data: T; text: string }> {
  try {
    const text = await response.text();
    return { text, data: (response.ok && text !== "" ? JSON.parse(text) : undefined) as T };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    noteReachable(false);
    throw unreachable();
  }
}

const unreachable = (): ApiError =>
  new ApiError(0, { code: "unreachable", message: "The API does not answer." });

/** The data of a GET. */
export async function get<T>(path: string, query?: CallOptions["query"], signal?: AbortSignal): Promise<T> {
  const options = { ...(query === undefined ? {} : { query }), ...(signal === undefined ? {} : { signal }) };
  return (await call<T>("GET", path, options)).data;
}

/** The raw answer, for streams. */
export async function send(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const { query, body, contentType = "application/json", ifMatch, headers, signal } = options;
  const init: RequestInit = {
    method,
    credentials: "same-origin",
    headers: {
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": contentType }),
      ...(ifMatch === undefined ? {} : { "If-Match": ifMatch }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
  try {
    const response = await fetch(path + queryText(query), init);
    noteReachable(true);
    return response;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    noteReachable(false);
    throw unreachable();
  }
}

/** A segment of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}

function queryText(query: CallOptions["query"] = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") search.set(key, String(value));
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** An answer that is no success. */
export function errorOf(status: number, text: string): ApiError {
  try {
    return new ApiError(status, JSON.parse(text) as ErrorResponse);
  } catch {
    return new ApiError(status, {
      code: "internal_error",
      message: text.trim().slice(0, 300) || `status ${status}`,
    });
  }
}
