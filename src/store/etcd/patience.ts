import { setTimeout as sleep } from "node:timers/promises";
import { GatewrightError } from "../../errors.ts";
import { EtcdFailure } from "./failure.ts";

/** Pause before etcd is asked again. */
const PAUSE_MS = 100;

/**
 * Asks until etcd answers: once more after each failure of which it is not certain that it did nothing, as while members
 * choose a leader. Throws `store_unavailable` with the last failure as its cause.
 */
export async function patiently<R>(ask: () => Promise<R>, patienceMs: number): Promise<R> {
  const deadline = performance.now() + patienceMs;
  let isCertain = true;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      isCertain &&= error.isCertain;
      if (isCertain || error.kind !== "unavailable" || performance.now() >= deadline)
        throw unavailable(error.message, undefined, error);
      await sleep(PAUSE_MS);
    }
  }
}

/** That nothing can be stored. @param since RFC 3339 */
export function unavailable(reason: string, since?: string, cause?: unknown): GatewrightError {
  const told = since === undefined ? "" : ` (since ${since})`;
  return new GatewrightError("store_unavailable", `${reason}${told}; nothing was changed`, { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
