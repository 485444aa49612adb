import { ApiError, call, loginWanted } from "./client.ts";
import { Store } from "./store.ts";
import type { Scope, TokenLimits } from "./types.ts";

/** Who is looking, and what they may do. */
export interface Session {
  /** `open`: the API takes calls without a token, and there is nothing to log out of. */
  readonly kind: "open" | "session" | "token";
  readonly subject: string;
  /** `*` is everything. */
  readonly scopes: readonly string[];
  /** Of a team's token: it sees its own ingresses alone. */
  readonly limits?: TokenLimits;
  readonly expires_at?: string;
}

export const session = new Store<Session | undefined>(undefined);

/** Asks who is logged in; without anybody the login is shown. Throws `ApiError` where the API does not answer. */
export async function loadSession(): Promise<void> {
  try {
    session.set((await call<Session>("GET", "/session")).data);
    loginWanted.set(false);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return session.set({ kind: "open", subject: "anonymous", scopes: ["*"] });
    if (error.status !== 401) throw error;
    session.set(undefined);
    loginWanted.set(error.message.includes("ended") ? "ended" : "needed");
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

/** Why the caller may not do what takes a scope; undefined where they may. */
export function refusal(scope: Scope, who: Session | undefined): string | undefined {
  if (who === undefined) return "Not logged in.";
  const isForAll = !scope.startsWith("ingress:");
  if (who.limits !== undefined && isForAll) return "Your token is limited to your own ingresses.";
  if (who.scopes.includes("*") || who.scopes.includes(scope)) return undefined;
  return `Your token lacks the scope ${scope}.`;
}
