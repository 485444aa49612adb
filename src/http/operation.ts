import type { Request, RequestHandler, Response } from "express";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Attribution } from "../model/attribution.ts";
import type { Scope } from "../model/rights.ts";
import { parseBody, type SchemaName, type SchemaTypes } from "../validation/schema.ts";
import { type AuthOptions, authenticateRequest, authorize } from "./auth.ts";
import { readJson } from "./body.ts";
import { actorOf, type Caller } from "./caller.ts";
import type { ChangeGate } from "./change-gate.ts";
import { changeMessage, MESSAGE } from "./change-message.ts";
import { queryOf } from "./query.ts";
import type { Changeable, RefusedChanges } from "./refused-changes.ts";
import { type Settle, WAITING, waiting } from "./waiting.ts";

/** What every operation needs. */
export interface OperationContext {
  readonly auth: AuthOptions;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
  /** Takes note of changes that were refused. */
  readonly refused: Pick<RefusedChanges, "note">;
  /** Changes go through it. */
  readonly gate: ChangeGate;
  /** What `?wait=all` waits for. Default: there is no other gateway. */
  readonly settled?: Settle | undefined;
}

/** One operation of the API, beside what it does. */
export interface OperationOptions {
  readonly scope: Scope;
  /** Scopes that it takes too. Default: none. */
  readonly also?: readonly Scope[];
  /** Message of the 500 when something unforeseen happens: `failed to create ingress`. */
  readonly failure: string;
  /** Keys of the query that the operation knows. Default: none. */
  readonly query?: readonly string[];
  /** What it changes: its refusals are told, and it takes the reason of the change. Default: it only reads. */
  readonly changes?: Changeable;
  /** Shows and changes of ingresses what is the caller's. Default: it is not for callers with limits. */
  readonly ownOnly?: true;
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
  readonly caller: Caller;
  /** Throws `Forbidden` when the token lacks another scope, which what is asked for takes too. */
  readonly permit: (scope: Scope) => void;
  /** Whose change it is, of an operation that changes something. */
  readonly by: Attribution;
  /** Called between a change and its answer: waits as the caller wants it to. */
  readonly settled: () => Promise<void>;
}

/** What is known of a call before its body is read. */
type Admitted = Pick<Call<unknown>, "query" | "caller" | "by" | "permit" | "settled">;

/** Makes a request handler that checks the token, then the scope, then the query's keys, then runs the operation. */
export function operation(
  context: OperationContext,
  options: OperationOptions,
  run: (call: Call<undefined>) => void | Promise<void>,
): RequestHandler {
  return async (request, response) =>
    attempt(request, context, options, async (progress) => {
      const admitted = await admit(request, context, options, progress);
      const made = async (): Promise<void> => run({ request, response, ...admitted, body: undefined });
      await guarded(options.failure, () => passing(context, options, made));
    });
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
  return async (request, response) =>
    attempt(request, context, options, async (progress) => {
      const admitted = await admit(request, context, options, progress);
      progress.body = await readJson(request, reading);
      const body = parseBody(options.schema, progress.body);
      const made = async (): Promise<void> => run({ request, response, ...admitted, body });
      await guarded(options.failure, () => passing(context, options, made));
    });
}

/** Archives have their own ways through the gate. */
function passing(
  { gate }: OperationContext,
  { changes }: OperationOptions,
  run: () => Promise<void>,
): Promise<void> {
  return changes === undefined || changes === "archive" ? run() : gate.pass(run);
}

/** How far a call has come: what a refusal can say of it. */
interface Progress {
  by?: Attribution;
  body?: unknown;
}

async function admit(
  request: Request,
  { auth, settled: wait }: OperationContext,
  { scope, also = [], query: known = [], changes, ownOnly }: OperationOptions,
  progress: Progress,
): Promise<Admitted> {
  const caller = await authenticateRequest(request, auth);
  const actor = actorOf(request, caller);
  progress.by = { actor };
  const permit = (one: Scope): void => authorize(caller, one);
  for (const one of [scope, ...also]) permit(one);
  if (caller.limits !== undefined && ownOnly !== true)
    throw new GatewrightError(
      "Forbidden",
      "this call is not for tokens with limits: it tells of others, or changes them",
    );
  const common = { caller, permit, settled: async () => undefined };
  if (changes === undefined) return { ...common, query: queryOf(request, known), by: progress.by };
  const waits = changes === "archive" ? [] : WAITING;
  const query = queryOf(request, [...known, MESSAGE, ...waits]);
  const message = changeMessage(request, query);
  if (message !== undefined) progress.by = { actor, message };
  const settled = waiting(request, query, wait);
  return { ...common, query, settled, by: progress.by };
}

/** Runs an operation and takes note of a change that is refused. */
async function attempt(
  request: Request,
  { refused }: OperationContext,
  { changes }: OperationOptions,
  run: (progress: Progress) => Promise<void>,
): Promise<void> {
  const progress: Progress = {};
  try {
    await run(progress);
  } catch (error) {
    if (changes !== undefined) refused.note({ request, changes, error, ...progress });
    throw error;
  }
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
