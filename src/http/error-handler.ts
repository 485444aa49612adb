import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { errorStatus } from "./error-status.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** Seconds after which a retry of a 503 makes sense: Caddy's restart takes about one. */
const RETRY_AFTER_SECONDS = 1;

/** The one place where errors become answers. What is not a GatewrightError is logged, and answered without its text. */
export function errorHandler(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const error = asGatewrightError(thrown);
    const status = errorStatus[error.code];
    if (status >= 500) logFailure(logger, error, request);
    if (response.headersSent) {
      // A stream that was begun cannot be taken back; an answer cut off is not taken for a whole one.
      response.destroy();
      return;
    }
    for (const name of ["ETag", "Location", "Link"]) response.removeHeader(name);
    setRetryHeaders(response, status, error.retryAfterSeconds);
    sendJson(response, status, {
      code: error.code,
      message: error.message,
      ...(error.details.length > 0 ? { details: error.details } : {}),
    });
  };
}

/** Unknown paths, in the words of Go's net/http, which hypeman's clients know. */
export const notFound: RequestHandler = (_request, response) => {
  setRetryHeaders(response, 404);
  response.statusCode = 404;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end("404 page not found\n");
};

/** Another method on a known path: RFC 9110 section 15.5.6 wants `Allow`, hypeman's clients an empty body. */
export function methodNotAllowed(allowed: readonly string[]): RequestHandler {
  return (_request, response) => {
    setRetryHeaders(response, 405);
    response.setHeader("Allow", allowed.join(", "));
    sendEmpty(response, 405);
  };
}

/** hypeman's SDK retries 409 and 429 and every 5xx unless told otherwise. */
function setRetryHeaders(response: Response, status: number, seconds = RETRY_AFTER_SECONDS): void {
  const isPassing = status === 503 || status === 429;
  if (status < 500 && !isPassing) response.setHeader("x-should-retry", "false");
  if (isPassing) response.setHeader("Retry-After", seconds);
}

function asGatewrightError(thrown: unknown): GatewrightError {
  if (isGatewrightError(thrown)) return thrown;
  if (thrown instanceof URIError) return new GatewrightError("Bad Request", "invalid URL escape in the path");
  return new GatewrightError("internal_error", "internal error", { cause: thrown });
}

function logFailure(logger: Logger, error: GatewrightError, request: Request): void {
  const cause = error.cause;
  logger.error(error.message, {
    code: error.code,
    method: request.method,
    // Never the URL itself: its query may hold what is not for logs.
    route: (request.route as { path?: string } | undefined)?.path ?? "unknown",
    ...(cause === undefined ? {} : { cause: cause instanceof Error ? cause.stack : String(cause) }),
  });
}
