import type { ExplainedAddress, ExplainedTargets, ExplainReason } from "../model/api.ts";

const reasons: { readonly [state in Exclude<ExplainedAddress["state"], "ready">]: ExplainReason } = {
  unknown: "unknown_instance",
  no_address: "no_address",
  no_answer: "source_silent",
  forbidden: "target_not_allowed",
  unhealthy: "unhealthy",
  failing: "failing",
  unchecked: "unchecked",
  paused: "paused",
  drained: "drained",
  no_weight: "no_weight",
};

/** Why no address takes a request; undefined when one does. Of several reasons the one that is first above. */
export function upstreamReason({ addresses, wakes }: ExplainedTargets): ExplainReason | undefined {
  if (addresses.some(({ state }) => state === "ready")) return connectionReason(addresses);
  if (wakes !== undefined && wakes.length > 0) return "waking";
  const states = Object.keys(reasons) as (keyof typeof reasons)[];
  const state = states.find((one) => addresses.some((address) => address.state === one));
  return state === undefined ? "no_address" : reasons[state];
}

function connectionReason(addresses: readonly ExplainedAddress[]): ExplainReason | undefined {
  const tried = addresses.flatMap(({ connection }) => connection ?? []);
  if (tried.length === 0 || tried.includes("open")) return undefined;
  if (tried.includes("refused")) return "connection_refused";
  return tried.includes("timeout") ? "connection_timeout" : "connection_failed";
}
