import type { Checker } from "../store/checker.ts";
import type { ListenPorts } from "../validation/ingress.ts";
import { checkKey } from "./check-key.ts";

/** What stored documents are checked by; see `FileStoreOptions.checker`. */
export interface Checkers {
  readonly ingresses: Checker;
  readonly instances: Checker;
}

/** The checkers of this process. `ports` decide how rules without a port are read. */
export function createCheckers(ports: ListenPorts): Checkers {
  const key = checkKey(ports);
  const urlOf = (path: string): string => new URL(path, import.meta.url).href;
  return {
    ingresses: { key, module: urlOf("../manager/stored-ingress-check.ts"), settings: ports },
    instances: { key, module: urlOf("../resolver/stored-instance-check.ts"), settings: undefined },
  };
}
