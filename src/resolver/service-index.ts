import type { Instance } from "../model/api.ts";
import type { Resolution } from "./instance-resolver.ts";

/** Ends the names by which services are asked for, below the zone: `web.svc`. No instance is reached by such a name. */
export const SERVICE_SUFFIX = ".svc";

/** The name that is asked for a service's instances; undefined when the instance belongs to none. */
export function serviceKey({ service }: Pick<Instance, "service">): string | undefined {
  return service === undefined ? undefined : `${service.toLowerCase()}${SERVICE_SUFFIX}`;
}

interface Members {
  readonly byId: Map<string, Resolution>;
  /** Undefined until it is asked for again after a change. */
  answer: Resolution | undefined;
}

const unknown: Resolution = { kind: "unknown" };
const noneRuns: Resolution = { kind: "no_address", reason: "no instance of the service takes requests" };

/** Services → addresses of the instances that take requests, in one order. */
export class ServiceIndex {
  readonly #services = new Map<string, Members>();

  /** Answers the same object until a member changes. */
  resolve(key: string): Resolution {
    const members = this.#services.get(key);
    if (members === undefined) return unknown;
    members.answer ??= unite(members.byId.values());
    return members.answer;
  }

  /** Whether there is any service. */
  get empty(): boolean {
    return this.#services.size === 0;
  }

  add(instance: Instance, resolution: Resolution): void {
    const key = serviceKey(instance);
    if (key === undefined) return;
    const members = this.#services.get(key) ?? { byId: new Map<string, Resolution>(), answer: undefined };
    members.byId.set(instance.id, resolution);
    members.answer = undefined;
    this.#services.set(key, members);
  }

  remove(instance: Instance): void {
    const key = serviceKey(instance);
    const members = key === undefined ? undefined : this.#services.get(key);
    if (key === undefined || members === undefined) return;
    members.byId.delete(instance.id);
    members.answer = undefined;
    if (members.byId.size === 0) this.#services.delete(key);
  }
}

function unite(resolutions: Iterable<Resolution>): Resolution {
  const addresses = new Set<string>();
  for (const resolution of resolutions) {
    if (resolution.kind === "addresses") for (const address of resolution.addresses) addresses.add(address);
  }
  return addresses.size === 0 ? noneRuns : { kind: "addresses", addresses: [...addresses].sort() };
}
