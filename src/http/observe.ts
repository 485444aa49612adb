import type { Request, RequestHandler } from "express";
import type { Logger } from "../log.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { TelemetryParts } from "./telemetry.ts";

/** A caller must not be able to make series of metrics. */
const knownMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

/** The method, where it is one that there is. */
function methodOf({ method }: Request, other: string): string {
  return knownMethods.has(method) ? method : other;
}

/** The route, not the URL: names and queries are not for logs. Known when the request has been routed. */
function routeOf(request: Request): string | undefined {
  return (request.route as { path?: string } | undefined)?.path;
}

/** Counts each answer, and logs it at debug level. */
export function countAndLog(logger: Logger, telemetry: TelemetryParts | undefined): RequestHandler {
  return (request, response, next) => {
    const startMs = performance.now();
    response.on("finish", () => {
      const { method } = request;
      const route = routeOf(request) ?? "unknown";
      const status = response.statusCode;
      const durationMs = Math.round((performance.now() - startMs) * 10) / 10;
      telemetry?.metrics.observeRequest(methodOf(request, "OTHER"), route, status, durationMs / 1000);
      logger.debug("request", { method, route, status, durationMs });
    });
    next();
  };
}

/**
 * A span for each request, part of the caller's trace where that is told
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
 */
export function traceRequests(tracing: Tracing): RequestHandler {
  return (request, response, next) => {
    const method = methodOf(request, "_OTHER");
    const span = tracing.begin(method, {
      headers: request.headers,
      attributes: { "http.request.method": method, "url.scheme": "http" },
    });
    response.on("close", () => {
      const route = routeOf(request);
      const status = response.statusCode;
      const wasSent = response.writableFinished;
      span.set(
        {
          ...(route === undefined ? {} : { "http.route": route }),
          ...(wasSent ? { "http.response.status_code": status } : {}),
        },
        route === undefined ? method : `${method} ${route}`,
      );
      if (wasSent) span.end(status >= 500 ? String(status) : undefined);
      else span.end("client_gone");
    });
    span.run(next);
  };
}
