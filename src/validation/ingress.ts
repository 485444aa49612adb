export { claimProblems } from "./claims.ts";
export { reservedPortProblems } from "./layer4.ts";
export {
  effectivePort,
  type ListenPorts,
  normalizePlace,
  normalizeRules,
  normalizeSoundRule,
  normalizeStored,
  type StoredIngress,
} from "./normalize.ts";
export { policyEndpointProblems } from "./policies.ts";
export { refusal } from "./refusal.ts";
export { ruleProblems, semanticProblems } from "./semantic.ts";
export { isDomainAllowed, type TlsSettings, tlsProblems } from "./tls.ts";
