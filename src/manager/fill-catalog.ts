import type { Logger } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import type { Snapshot, UnreadableDocument } from "../store/document-store.ts";
import {
  claimProblems,
  type ListenPorts,
  normalizeStored,
  type StoredIngress,
} from "../validation/ingress.ts";
import { parseBody } from "../validation/schema.ts";
import type { Catalog } from "./catalog.ts";

/** What was found wrong in the store, in words for `/ready` and the log. */
export interface StoredProblems {
  readonly problems: readonly string[];
}

/** Most hostnames that are looked for in a file that cannot be read. */
const MAX_HOSTNAMES = 1_000;

/**
 * Puts the stored ingresses into the catalog. What cannot be served is set aside and reported: a file that cannot be
 * read keeps its hostnames, of two stored ingresses that claim the same the one with the smaller id is served.
 */
export function fillCatalog(snapshot: Snapshot<Ingress>, catalog: Catalog, logger: Logger): StoredProblems {
  const problems: string[] = [];
  const report = (message: string, fields: { readonly [field: string]: unknown }): void => {
    problems.push(message);
    logger.error(message, fields);
  };
  for (const document of snapshot.unreadable) {
    catalog.claims.addUnreadable(document.id, hostnamesOf(document));
    report(`ingress file ${document.id}.json cannot be read and is set aside; its hostnames stay claimed`, {
      code: "ingress_unreadable",
      path: document.path,
      reason: document.reason,
    });
  }
  for (const ingress of snapshot.documents) {
    const [conflict] = claimProblems(catalog.claims.conflicts(ingress.rules, undefined, ingress));
    const named = catalog.idOfName(ingress.name);
    if (conflict === undefined && named === undefined) {
      catalog.load(ingress);
      continue;
    }
    const reason = conflict?.message ?? `the name "${ingress.name}" belongs to ${named}`;
    report(`stored ingress ${ingress.id} is set aside and not served`, { code: "hostname_in_use", reason });
  }
  catalog.loaded();
  return { problems };
}

/**
 * Reads a stored ingress: ours, or hypeman's (no `updated_at`, defaults left out). Throws when it is neither.
 * The document is not changed on disk until it is written again.
 */
export function readStoredIngress(value: unknown, ports: ListenPorts): Ingress {
  const { id, created_at, updated_at, ...request } = value as Partial<StoredIngress>;
  if (typeof id !== "string" || typeof created_at !== "string")
    throw new TypeError("id and created_at are missing");
  const { name, rules, tags, listen, gateways } = parseBody("CreateIngressRequest", request);
  const stored = {
    id,
    name,
    rules,
    created_at,
    ...(tags === undefined ? {} : { tags }),
    ...(listen === undefined ? {} : { listen }),
    ...(gateways === undefined ? {} : { gateways }),
  };
  const ingress = normalizeStored(typeof updated_at === "string" ? { ...stored, updated_at } : stored, ports);
  // Parsed objects have no room to grow, so they take less memory than equal ones put together here.
  return JSON.stringify(ingress) === JSON.stringify(value) ? (value as Ingress) : ingress;
}

/** Every hostname that still stands in a damaged file's text. */
function hostnamesOf({ text }: UnreadableDocument): string[] {
  const found = [...text.matchAll(/"hostname"\s*:\s*"((?:[^"\\]|\\.){1,300})"/g)].slice(0, MAX_HOSTNAMES);
  return [...new Set(found.map(([, hostname = ""]) => hostname))];
}
