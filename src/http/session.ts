import { type Request, type RequestHandler, type Response, Router } from "express";
import type { Session } from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import { parseBody } from "../validation/schema.ts";
import { type AuthOptions, authenticate, authenticateRequest, isOpen, unauthorized } from "./auth.ts";
import { readJson } from "./body.ts";
import type { Caller } from "./caller.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { guarded, type OperationContext } from "./operation.ts";
import { queryOf } from "./query.ts";
import { clearSessionCookie, refuseOtherSites, sessionSecretOf, setSessionCookie } from "./session-cookie.ts";
import type { Sessions } from "./sessions.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** Anybody may send a token; none is so long. */
const MOST_BYTES = 16 * 1024;

/** `/session`: logging in with a token, and out. */
export function sessionRoutes(sessions: Sessions, { auth }: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/session")
    .get(showSession(auth))
    .post(logIn(sessions, auth))
    .delete(logOut(sessions))
    .all(methodNotAllowed(["GET", "HEAD", "POST", "DELETE"]));
  return router;
}

function showSession(auth: AuthOptions): RequestHandler {
  return async (request, response) => {
    queryOf(request, []);
    sendSession(response, await authenticateRequest(request, auth));
  };
}

/** One who logs in again has one session: the former one ends. */
function logIn(sessions: Sessions, auth: AuthOptions): RequestHandler {
  return async (request, response) => {
    if (isFromPage(request)) refuseOtherSites(request);
    queryOf(request, []);
    const { token } = await readLogin(request);
    const former = sessionSecretOf(request);
    if (token === undefined && !isOpen(auth)) throw unauthorized("a token is required: give it as `token`");
    const caller = await authenticate(request, token === undefined ? undefined : `Bearer ${token}`, auth);
    if (token !== undefined && caller.kind === "open") throw unauthorized("invalid token");
    await guarded("failed to log in", () => {
      if (former !== undefined) sessions.end(former);
      if (token === undefined) {
        clearSessionCookie(response);
        return sendSession(response, caller);
      }
      const { secret, session } = sessions.begin(token, caller);
      setSessionCookie(response, secret);
      sendSession(response, { ...caller, kind: "session", expiresAtMs: session.expiresAtMs });
    });
  };
}

function logOut(sessions: Sessions): RequestHandler {
  return (request, response) => {
    queryOf(request, []);
    const secret = sessionSecretOf(request);
    if (secret !== undefined) {
      refuseOtherSites(request);
      sessions.end(secret);
    }
    clearSessionCookie(response);
    sendEmpty(response, 204);
  };
}

/** Whether a browser sent it, which says where its page is from. */
function isFromPage({ headers }: Request): boolean {
  return headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
}

/** No body is one without a token. */
async function readLogin(request: Request): Promise<{ readonly token?: string }> {
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  if (!hasBody) return {};
  const reading = { types: ["application/json"], maxBytes: MOST_BYTES };
  return parseBody("CreateSessionRequest", await readJson(request, reading));
}

const scopes: readonly string[] = document.components.schemas.Scope.enum;

function sendSession(response: Response, caller: Caller): void {
  const { expiresAtMs, kind, limits, permissions = ["*"], subject, tokenId } = caller;
  const permitted = Array.isArray(permissions) ? scopes.filter((scope) => permissions.includes(scope)) : [];
  const session: Session = {
    kind,
    subject,
    ...(tokenId === undefined ? {} : { token_id: tokenId }),
    scopes: permitted as Session["scopes"],
    ...(limits === undefined ? {} : { limits }),
    ...(expiresAtMs === undefined ? {} : { expires_at: new Date(expiresAtMs).toISOString() }),
  };
  response.setHeader("Cache-Control", "no-store");
  sendJson(response, 200, session);
}
