import type { DocumentCheck } from "../store/bundle/document-check.ts";
import type { ListenPorts } from "../validation/ingress.ts";
import { checkKey } from "./check-key.ts";

/** What stored documents are checked by; see `FileStoreOptions.documentCheck`. */
export interface DocumentChecks {
  readonly ingresses: DocumentCheck;
  readonly instances: DocumentCheck;
}

/** The checks of this process. `ports` decide how rules without a port are read. */
export function createDocumentChecks(ports: ListenPorts): DocumentChecks {
  const key = checkKey(ports);
  const urlOf = (path: string): string => new URL(path, import.meta.url).href;
  return {
    ingresses: { key, module: urlOf("../manager/stored-ingress-check.ts"), settings: ports },
    instances: { key, module: urlOf("../resolver/stored-instance-check.ts"), settings: undefined },
  };
}
