export { claimProblems } from "./claims.ts";
export {
  effectivePort,
  type ListenPorts,
  normalizeRules,
  normalizeSoundRules,
  normalizeStored,
  type StoredIngress,
} from "./normalize.ts";
export { refusal } from "./refusal.ts";
export { semanticProblems } from "./semantic.ts";
export { isDomainAllowed, type TlsSettings, tlsProblems } from "./tls.ts";
