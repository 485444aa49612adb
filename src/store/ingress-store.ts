import type { Ingress } from "../model/api.ts";
import type { DocumentStore } from "./document-store.ts";

/** The ingresses: hypeman's layout, one `ingresses/{id}.json` each. */
export type IngressStore = DocumentStore<Ingress>;
