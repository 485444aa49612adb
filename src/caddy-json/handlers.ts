/**
 * Caddy's JSON of handlers (https://caddyserver.com/docs/json/apps/http/servers/routes/handle/) that stand in more than
 * one place; a handler of one policy is described in the policy's file.
 */
export interface PolicyHandler {
  /** The module `http.handlers.<handler>`. */
  readonly handler: string;
}

export interface SubrouteHandler {
  readonly handler: "subroute";
  readonly routes: readonly HandlerRoute[];
}

export interface HandlerRoute {
  /** One of these must match; in each, everything. Absent: every request. */
  readonly match?: readonly Matcher[];
  readonly handle: readonly PolicyHandler[];
}

export interface Matcher {
  readonly client_ip?: { readonly ranges: readonly string[] };
  readonly not?: readonly Matcher[];
  readonly vars?: { readonly [placeholder: string]: readonly string[] };
}

export interface HeaderOps {
  readonly add?: { readonly [name: string]: readonly string[] };
  readonly set?: { readonly [name: string]: readonly string[] };
  readonly delete?: readonly string[];
}

export interface HeadersHandler {
  readonly handler: "headers";
  readonly request?: HeaderOps;
  /** `deferred`: when the response is written, over what the instance and Caddy have set. */
  readonly response?: HeaderOps & { readonly deferred: true };
}

/** Ends the request with an error (caddy/policies/refuse.go). */
export interface RefuseHandler {
  readonly handler: "gatewright_refuse";
  readonly status: number;
  /** For the client; literal. Absent: words of the dispatcher's. */
  readonly message?: string;
  /** For the log. */
  readonly reason: string;
  /** Which policy refuses, for metrics and logs. */
  readonly policy: "access" | "maintenance" | "lacking";
  /** Seconds. */
  readonly retry_after?: number;
}
