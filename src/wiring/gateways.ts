import type { Config } from "../config.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Gateway } from "../model/api.ts";
import { patiently } from "../store/etcd/patience.ts";
import { type GatewayEntry, Registration } from "../store/etcd/registration.ts";
import { storeId } from "../store/store-id.ts";
import type { SharedStore } from "./shared-store.ts";

/** This gateway among those that share its store. */
export interface Gateways {
  /** Tells of the ingresses that are served; before, that none are. */
  tellOf(ingresses: Pick<IngressManager, "ready" | "revision">): void;
  list(): Promise<readonly Gateway[]>;
  /** Why it is not registered; empty when it is, or needs not be. */
  reasons(): readonly string[];
  close(): Promise<void>;
}

/** How long `/gateways` waits for etcd. */
const PATIENCE_MS = 2_000;

/** Registers this gateway where it shares its store. Throws `config_invalid` where another one has its name. */
export async function registerGateway(
  config: Config,
  shared: SharedStore | undefined,
  version: string,
): Promise<Gateways> {
  let served: Pick<IngressManager, "ready" | "revision"> | undefined;
  const tellOf: Gateways["tellOf"] = (ingresses) => {
    served = ingresses;
  };
  const started_at = new Date().toISOString();
  const name = config.caddy.gateway;
  const entry = () => ({
    version,
    started_at,
    revision: served?.revision ?? 0,
    ready: served?.ready().ready ?? false,
  });
  if (shared === undefined || name === undefined) {
    const alone = (): Gateway => ({ ...(name === undefined ? {} : { name }), ...entry(), answering: true });
    return { tellOf, list: async () => [alone()], reasons: () => [], close: async () => undefined };
  }
  const instance = await storeId(shared.folder);
  const registration = new Registration({
    client: shared.client,
    prefix: shared.prefix,
    entry: () => ({ name, instance, ...entry() }),
  });
  await registration.start();
  const told = ({ instance: its, ...rest }: GatewayEntry): Gateway =>
    its === instance ? { ...rest, ...entry(), answering: true } : { ...rest, answering: false };
  return {
    tellOf,
    list: async () => (await patiently(() => registration.list(), PATIENCE_MS)).map(told),
    reasons: () => registration.reasons(),
    close: () => registration.close(),
  };
}
