import type { Actor } from "./api.ts";

/** Whose change it is: who makes it, from where, and why. Every change of state carries one. */
export interface Attribution {
  readonly actor: Actor;
  /** Why, in the caller's words. */
  readonly message?: string;
}

/** Of what Gatewright does by itself. */
export const ourselves: Attribution = { actor: { subject: "gatewright", via: "internal" } };

/** Of what was changed at another gateway, where it is not known whose it was. */
export const somebody: Attribution = { actor: { subject: "gatewright", via: "follow" } };
