import type { GuardConfig } from "../caddy-json/config.ts";
import { listenAddress } from "./listen-address.ts";
import { listenersOf } from "./listeners.ts";
import type { PortUse } from "./port-use.ts";
import type { CompilerSettings } from "./settings.ts";

/** What may not be dialled: what the settings deny, and the listeners of ingresses, behind which each request would loop. */
export function guardOf(ports: readonly PortUse[], settings: CompilerSettings): GuardConfig {
  const own = listenersOf(ports, settings).map(({ address, port }) => listenAddress(address, port));
  return own.length === 0 ? settings.guard : { ...settings.guard, deny_listeners: [...new Set(own)].sort() };
}
