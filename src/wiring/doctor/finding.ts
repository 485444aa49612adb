/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: one word, stable for scripts. */
  readonly check: Check;
  /** `problem`: requests are not served, or will not be. `warning`: they may not be, or not for ever. */
  readonly verdict: "ok" | "warning" | "problem";
  /** What is so. */
  readonly message: string;
  /** What to do; absent where all is well. */
  readonly remedy?: string;
}

/** What the doctor looks at, in the order in which it tells of it. */
export type Check =
  | "settings"
  | "node"
  | "caddy-program"
  | "data"
  | "disk"
  | "clock"
  | "files"
  | "processes"
  | "served"
  | "token"
  | "ports"
  | "tls"
  | "authority"
  | "cloudflare"
  | "names";

export function ok(check: Check, message: string): Finding {
  return { check, verdict: "ok", message };
}

export function warning(check: Check, message: string, remedy: string): Finding {
  return { check, verdict: "warning", message, remedy };
}

export function problem(check: Check, message: string, remedy: string): Finding {
  return { check, verdict: "problem", message, remedy };
}
