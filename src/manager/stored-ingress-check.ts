import type { CreateCheck } from "../store/bundle/document-check.ts";
import type { ListenPorts } from "../validation/ingress.ts";
import { readStoredIngress } from "./fill-catalog.ts";

/** `readStoredIngress` for the process that drafts bundles. `settings` are the `ListenPorts`. */
export const createCheck: CreateCheck = (settings) => (value) =>
  readStoredIngress(value, settings as ListenPorts);
