import type { ConnectionCounts, Ingress, RuleStatus, TargetAddressStatus } from "../model/api.ts";
import { isLayer4 } from "../model/protocol.ts";
import type { StatusContributor } from "./condition.ts";
import type { RuleReporter } from "./status-board.ts";

/** What Caddy counts of a rule of layer 4. */
export interface RuleConnections extends ConnectionCounts {
  /** By `ip:port`. */
  readonly addresses: {
    readonly [address: string]: {
      readonly active: number;
      readonly reachable?: boolean;
      readonly last_error?: string;
    };
  };
}

/** What Caddy counts of all such rules, by `<ingress id>/<rule index>`. Rejects when Caddy does not answer. */
export type ConnectionSource = () => Promise<{ readonly [row: string]: RuleConnections }>;

/** Adds to what is known of targets how the connections of rules of layer 4 go. */
export function withConnections(report: RuleReporter, source: ConnectionSource): RuleReporter {
  return async (ingress) => {
    const rules = await report(ingress);
    if (!ingress.rules.some(isLayer4)) return rules;
    // Without Caddy the rest of the status is worth having all the same.
    const counts = await source().catch(() => undefined);
    if (counts === undefined) return rules;
    return rules.map((rule, index) =>
      hasConnections(ingress, index) ? withCounts(rule, counts[`${ingress.id}/${index}`]) : rule,
    );
  };
}

function hasConnections(ingress: Ingress, index: number): boolean {
  const rule = ingress.rules[index];
  return rule !== undefined && isLayer4(rule);
}

const none: RuleConnections = {
  active: 0,
  total: 0,
  failed: 0,
  refused: 0,
  received_bytes: 0,
  sent_bytes: 0,
  addresses: {},
};

function withCounts(rule: RuleStatus, counts: RuleConnections = none): RuleStatus {
  const { addresses, ...connections } = counts;
  return {
    ...rule,
    connections,
    targets: rule.targets.map((target) => ({
      ...target,
      addresses: target.addresses.map((address) => withAddress(address, addresses[address.address])),
    })),
  };
}

function withAddress(
  address: TargetAddressStatus,
  counted: RuleConnections["addresses"][string] | undefined,
): TargetAddressStatus {
  const message = address.message ?? counted?.last_error;
  return {
    ...address,
    active_connections: counted?.active ?? 0,
    ...(counted?.reachable === undefined ? {} : { reachable: counted.reachable }),
    ...(message === undefined ? {} : { message }),
  };
}

/** Whether connections of rules of layer 4 reach their targets, by the last one to each address. */
export const targetsReachable: StatusContributor = (ingress, rules) => {
  if (!ingress.rules.some(isLayer4)) return undefined;
  const type = "TargetsReachable";
  const tried = rules.map((rule) => rule.targets.flatMap(({ addresses }) => addresses));
  for (const [index, addresses] of tried.entries()) {
    if (!hasConnections(ingress, index)) continue;
    const known = addresses.filter(({ reachable }) => reachable !== undefined);
    if (known.length === 0 || known.some(({ reachable }) => reachable === true)) continue;
    const message = `Rule ${index}: no address took the last connection (${known[0]?.message ?? "refused"}).`;
    return { type, status: "False", reason: "Unreachable", message };
  }
  if (tried.flat().some(({ reachable }) => reachable === true))
    return { type, status: "True", reason: "Reachable", message: "The last connections reached a target." };
  return { type, status: "Unknown", reason: "NotTried", message: "There was no connection yet." };
};
