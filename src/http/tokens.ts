import { type RequestHandler, Router } from "express";
import { GatewrightError } from "../errors.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { bodyOperation, type OperationContext, operation } from "./operation.ts";
import { PAGE_KEYS, pageIn, pageOf } from "./pages.ts";
import { referenceOf } from "./reference.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** What the routes of tokens need. */
export type TokenParts = Pick<Tokens, "list" | "find" | "create" | "delete">;

/** `/tokens` and `/tokens/{id}`. Only the answer to a POST holds a token's text. */
export function tokenRoutes(tokens: TokenParts, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/tokens")
    .get(listTokens(tokens, context))
    .post(createToken(tokens, context))
    .all(methodNotAllowed(["GET", "HEAD", "POST"]));
  router
    .route("/tokens/:id")
    .get(getToken(tokens, context))
    .delete(deleteToken(tokens, context))
    .all(methodNotAllowed(["GET", "HEAD", "DELETE"]));
  return router;
}

function listTokens(tokens: TokenParts, context: OperationContext): RequestHandler {
  const options = { scope: "admin:read", failure: "failed to list tokens", query: PAGE_KEYS } as const;
  return operation(context, options, ({ query, response }) =>
    sendJson(response, 200, pageOf(response, tokens.list(), pageIn(query))),
  );
}

function getToken(tokens: TokenParts, context: OperationContext): RequestHandler {
  const options = { scope: "admin:read", failure: "failed to get token" } as const;
  return operation(context, options, ({ request, response }) => {
    const found = tokens.find(referenceOf(request));
    if (found === undefined) throw new GatewrightError("not_found", "resource not found");
    sendJson(response, 200, found);
  });
}

function createToken(tokens: TokenParts, context: OperationContext): RequestHandler {
  const options = {
    scope: "admin:write",
    failure: "failed to create token",
    changes: "token",
    schema: "CreateTokenRequest",
  } as const;
  return bodyOperation(context, options, async ({ response, body, caller, by, settled }) => {
    const created = await tokens.create(body, caller, by);
    await settled();
    response.setHeader("Location", `/tokens/${created.id}`);
    response.setHeader("Cache-Control", "no-store");
    sendJson(response, 201, created);
  });
}

function deleteToken(tokens: TokenParts, context: OperationContext): RequestHandler {
  const options = { scope: "admin:write", failure: "failed to delete token", changes: "token" } as const;
  return operation(context, options, async ({ request, response, by, settled }) => {
    await tokens.delete(referenceOf(request), by);
    await settled();
    sendEmpty(response, 204);
  });
}
