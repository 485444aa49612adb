/** What Gatewright's own API is called where ingresses have their id or name. No ingress can have either: both lack dots. */
export const API_INGRESS = "gatewright.api";
