import type { Request, RequestHandler, Response } from "express";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import { parseBody, type SchemaName, type SchemaTypes } from "../validation/schema.ts";
import { type AuthOptions, authorize, type Scope } from "./auth.ts";
import { readJson } from "./body.ts";
import { queryOf } from "./query.ts";

/** What every operation needs. */
export interface OperationContext {
  readonly auth: AuthOptions;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
}

/** One operation of the API, beside what it does. */
export interface OperationOptions {
  readonly scope: Scope;
  /** Message of the 500 when something unforeseen happens: `failed to create ingress`. */
  readonly failure: string;
  /** Keys of the query that the operation knows. Default: none. */
  readonly query?: readonly string[];
}

/** An operation that takes a body. */
export interface BodyOperationOptions<Name extends SchemaName> extends OperationOptions {
  readonly schema: Name;
  /** Media types taken. Default: `application/json`. */
  readonly types?: readonly string[];
}

/** What an operation is given. */
export interface Call<Body> {
  readonly request: Request;
  readonly response: Response;
  /** Holds known keys only. */
  readonly query: URLSearchParams;
  readonly body: Body;
}

/** Makes a request handler that checks the token, then the scope, then the query's keys, then runs the operation. */
export function operation(
  context: OperationContext,
  options: OperationOptions,
  run: (call: Call<undefined>) => void | Promise<void>,
): RequestHandler {
  return async (request, response) => {
    const query = admit(request, context, options);
    await guarded(options.failure, () => run({ request, response, query, body: undefined }));
  };
}

/**
 * The same of an operation with a body, which is checked against its schema after the query. hypeman checks the scope last: a body costs time, which is for callers who may make the call.
 */
export function bodyOperation<Name extends SchemaName>(
  context: OperationContext,
  options: BodyOperationOptions<Name>,
  run: (call: Call<SchemaTypes[Name]>) => void | Promise<void>,
): RequestHandler {
  const reading = { types: options.types ?? ["application/json"], maxBytes: context.maxBodyBytes };
  return async (request, response) => {
    const query = admit(request, context, options);
    const body = parseBody(options.schema, await readJson(request, reading));
    await guarded(options.failure, () => run({ request, response, query, body }));
  };
}

function admit(request: Request, { auth }: OperationContext, options: OperationOptions): URLSearchParams {
  authorize(request.headers.authorization, auth, options.scope);
  return queryOf(request, options.query ?? []);
}

/** Runs a step of an operation; what it did not throw on purpose becomes a 500 with this message. */
export async function guarded<T>(failure: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Failure || (isGatewrightError(error) && error.code !== "internal_error"))
      throw error;
    throw new Failure(failure, error);
  }
}

/** A 500 whose message is fit for callers; the cause is for the log. */
class Failure extends GatewrightError {
  constructor(message: string, cause: unknown) {
    super("internal_error", message, { cause });
  }
}
