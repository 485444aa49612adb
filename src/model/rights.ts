import type { Scope as AnyScope, TokenLimits } from "./api.ts";

/** One thing that a token may be for. */
export type Scope = Exclude<AnyScope, "*">;

const every: { readonly [scope in Scope]: true } = {
  "ingress:read": true,
  "ingress:write": true,
  "ingress:delete": true,
  "instance:read": true,
  "instance:write": true,
  "certificate:read": true,
  "certificate:write": true,
  "admin:read": true,
  "admin:write": true,
};

/** All of them, for what takes the right to do everything. */
export const allScopes = Object.keys(every) as readonly Scope[];

/** What a caller may do. */
export interface Rights {
  /** Scopes, as they stand in the token. Undefined: all, as `*` is; what is no list is none, so that a mistake never opens. */
  readonly permissions: unknown;
  /** Present: the ingresses of its subject alone, within these. */
  readonly limits?: TokenLimits;
}

/** Whether rights have a scope; `*`: all of them, also those that are still to come. */
export function permits({ permissions }: Rights, scope: AnyScope): boolean {
  if (permissions === undefined) return true;
  return Array.isArray(permissions) && (permissions.includes("*") || permissions.includes(scope));
}
