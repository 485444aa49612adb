import { basename } from "node:path";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Problem } from "../errors.ts";
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
import { Catalog } from "./catalog.ts";
import { inConflict, unreadableEntry } from "./set-aside-entries.ts";

/** The catalog of a start. */
export interface FilledCatalog {
  readonly catalog: Catalog;
  /** What is wrong beside ingresses that are set aside, in words for `/ready`. */
  readonly problems: readonly string[];
}

interface Contested {
  readonly ingress: Ingress;
  readonly problems: readonly Problem[];
}

/**
 * Makes the catalog of what is stored. Of ingresses that claim the same, the one that was changed last is served: it
 * was acknowledged last. The others are set aside, as files that cannot be read are, and keep their claims.
 */
export function fillCatalog(
  snapshot: Snapshot<Ingress>,
  settings: CompilerSettings,
  logger: Logger,
): FilledCatalog {
  let catalog = new Catalog(settings);
  let contested = load(snapshot.documents, catalog);
  if (contested.length > 0) {
    // Rare, so that a start without conflicts need not sort.
    catalog = new Catalog(settings);
    contested = load(snapshot.documents.toSorted(byLastChange), catalog);
  }
  for (const { ingress, problems } of contested) {
    catalog.setAside.add(inConflict(ingress, problems, "conflict"));
    const [first] = problems;
    logger.error(`stored ingress ${ingress.id} is set aside and not served`, {
      code: first?.code,
      reason: first?.message,
    });
  }
  return { catalog, problems: snapshot.unreadable.flatMap((one) => setAside(one, catalog, logger) ?? []) };
}

/** Loads what does not stand against what was loaded before, and returns the rest. */
function load(ingresses: readonly Ingress[], catalog: Catalog): Contested[] {
  const contested: Contested[] = [];
  for (const ingress of ingresses) {
    const problems: Problem[] = claimProblems(catalog.claims.conflicts(ingress.rules, undefined, ingress));
    const holder = catalog.idOfName(ingress.name);
    if (holder !== undefined) {
      const message = `the name "${ingress.name}" belongs to ingress ${holder}`;
      problems.push({ code: "already_exists", field: "name", message });
    }
    if (problems.length === 0) catalog.load(ingress);
    else contested.push({ ingress, problems });
  }
  catalog.loaded();
  return contested;
}

function byLastChange(one: Ingress, other: Ingress): number {
  const later = Date.parse(other.updated_at) - Date.parse(one.updated_at);
  return later || (one.id < other.id ? -1 : 1);
}

/** Sets aside what cannot be read. Returns a problem that cannot be mended over the API. */
function setAside(
  { id, kind, path, reason, text }: UnreadableDocument,
  catalog: Catalog,
  logger: Logger,
): string | undefined {
  const message =
    kind === "journal"
      ? `the journal file ${basename(path)} is damaged; the hostnames that it names stay claimed`
      : `ingress file ${basename(path)} cannot be read and is set aside; its name, hostnames and ports stay claimed`;
  logger.error(message, { code: "ingress_unreadable", path, reason });
  if (kind === "journal") {
    catalog.setAside.addDamage(id, text);
    return `${message}: ${reason}`;
  }
  catalog.setAside.add(unreadableEntry({ id, reason, text }));
  return undefined;
}

/**
 * Reads a stored ingress: ours, or hypeman's (no `updated_at`, defaults left out). Throws when it is neither.
 * The document is not changed on disk until it is written again.
 */
export function readStoredIngress(value: unknown, ports: ListenPorts): Ingress {
  const { id, created_at, updated_at, owner, ...request } = value as Partial<StoredIngress>;
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
    ...(typeof owner === "string" ? { owner } : {}),
  };
  const ingress = normalizeStored(typeof updated_at === "string" ? { ...stored, updated_at } : stored, ports);
  // Parsed objects have no room to grow, so they take less memory than equal ones put together here.
  return JSON.stringify(ingress) === JSON.stringify(value) ? (value as Ingress) : ingress;
}
