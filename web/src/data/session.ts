import { ApiError, call, loginWanted } from "./client.ts";
import { Store } from "./store.ts";
import type { Scope, Session } from "./types.ts";

export const session = new Store<Session | undefined>(undefined);

/** Asks who is logged in; without anybody the login is shown. Throws `ApiError` where the API does not answer. */
export async function loadSession(): Promise<void> {
  try {
    session.set((await call<Session>("GET", "/session")).data);
    loginWanted.set(false);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) throw error;
    // The browser drops the cookie of a session that is over: then nothing else says that there was one.
    const hasEnded = session.value !== undefined || error.message.includes("ended");
    session.set(undefined);
    loginWanted.set(hasEnded ? "ended" : "needed");
  }
}

/** Begins a session with a token, which is kept by the browser in a cookie that no script can read. */
export async function logIn(token: string): Promise<void> {
  await call("POST", "/session", { body: { token } });
  await loadSession();
}

export async function logOut(): Promise<void> {
  await call("DELETE", "/session");
  session.set(undefined);
  loginWanted.set("needed");
  await loadSession();
}

/**
 * Why the caller may not do what takes a scope; undefined where they may. Tokens with limits see what is their own, and change
 * ingresses alone; what is for all is not for them.
 */
export function refusal(
  scope: Scope,
  who: Session | undefined,
  isForAll = !scope.startsWith("ingress:") && !scope.endsWith(":read"),
): string | undefined {
  if (who === undefined) return "Not logged in.";
  if (who.limits !== undefined && isForAll) return "Your token is limited to your own ingresses.";
  if (who.scopes.includes("*") || who.scopes.includes(scope)) return undefined;
  return `Your token lacks the scope ${scope}.`;
}
