import type { Duration, Transport } from "../caddy-json.ts";

/**
 * Caddy's JSON of the handlers that policies become (https://caddyserver.com/docs/json/apps/http/servers/routes/handle/)
 * and of ours in caddy/policies.
 */
export type PolicyHandler =
  | SubrouteHandler
  | RateLimitHandler
  | AuthenticationHandler
  | HeadersHandler
  | EncodeHandler
  | { readonly handler: "request_body"; readonly max_size: number }
  | { readonly handler: "copy_response" }
  | { readonly handler: "vars" }
  | ForwardAuthHandler
  | RefuseHandler
  | LimitKeyHandler
  | RewriteHandler
  | { readonly handler: "gatewright_count" }
  | { readonly handler: "gatewright_forwarded" };

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

/** github.com/mholt/caddy-ratelimit. */
export interface RateLimitHandler {
  readonly handler: "rate_limit";
  readonly rate_limits: {
    readonly [zone: string]: {
      readonly match?: readonly Matcher[];
      readonly key: string;
      readonly window: Duration;
      readonly max_events: number;
    };
  };
}

export interface AuthenticationHandler {
  readonly handler: "authentication";
  readonly providers: {
    readonly http_basic: {
      readonly hash: { readonly algorithm: "bcrypt" | "argon2id" };
      readonly accounts: readonly { readonly username: string; readonly password: string }[];
      readonly realm: string;
      /** Hashes are slow by intent: without it each request would pay for one. */
      readonly hash_cache: Readonly<{ [key: string]: never }>;
    };
  };
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

export interface EncodeHandler {
  readonly handler: "encode";
  readonly encodings: {
    readonly zstd: Readonly<{ [key: string]: never }>;
    readonly gzip: Readonly<{ [key: string]: never }>;
  };
  readonly prefer: readonly ["zstd", "gzip"];
}

/** The reverse proxy, as Caddy's `forward_auth` directive sets it up. */
export interface ForwardAuthHandler {
  readonly handler: "reverse_proxy";
  readonly dynamic_upstreams: {
    readonly source: "gatewright_host";
    readonly host: string;
    readonly port: number;
    readonly resolver?: string;
  };
  readonly rewrite: { readonly method: "GET"; readonly uri: string };
  readonly headers: { readonly request: HeaderOps };
  readonly handle_response: readonly ResponseRoute[];
  readonly transport: Transport;
}

export interface ResponseRoute {
  readonly match?: { readonly status_code: readonly number[] };
  readonly routes: readonly HandlerRoute[];
}

export interface RefuseHandler {
  readonly handler: "gatewright_refuse";
  readonly status: number;
  /** For the client; literal. Absent: words of the dispatcher's. */
  readonly message?: string;
  /** For the log. */
  readonly reason: string;
  /** Seconds. */
  readonly retry_after?: number;
}

export interface LimitKeyHandler {
  readonly handler: "gatewright_limit_key";
  readonly header?: string;
  readonly rule?: true;
}

export interface RewriteHandler {
  readonly handler: "gatewright_rewrite";
  readonly path?: string;
  readonly prefix?: string;
  readonly with?: string;
}
