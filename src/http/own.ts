import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Certificate, Ingress, Instance, TokenLimits } from "../model/api.ts";
import { coversName } from "../model/certificate-names.ts";
import { hostnameShape } from "../model/hostname.ts";
import { targetsOf } from "../model/target.ts";
import type { Caller } from "./caller.ts";

/** A caller who sees what is their own alone. */
export type LimitedCaller = Caller & { readonly limits: TokenLimits };

/** What the ingresses of a caller name. */
interface Names {
  readonly instances: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
  /** Name or id of a certificate → how many rules take it. */
  readonly certificates: ReadonlyMap<string, number>;
  readonly hosts: ReadonlySet<string>;
}

/** Looking again takes this part of the time at the most, where there are many ingresses and many changes. */
const LARGEST_SHARE = 0.05;

/**
 * What a caller with limits may know of, beside their ingresses: the instances and certificates that these take, and
 * instances that the limits name. Follows the ingresses, for streams.
 */
export class Own {
  readonly caller: LimitedCaller;
  readonly #manager: IngressManager;
  #names: Names | undefined;
  #revision = -1;
  #lookAgainAtMs = 0;

  constructor(manager: IngressManager, caller: LimitedCaller) {
    this.#manager = manager.of(caller);
    this.caller = caller;
  }

  hasIngress(id: string): boolean {
    return this.#manager.get(id) !== undefined;
  }

  /** How many ingresses are the caller's. */
  get size(): number {
    return [...this.#manager.present()].length;
  }

  hasInstance({ id, name, service }: Pick<Instance, "name"> & Partial<Instance>): boolean {
    const { instances, services } = this.#now();
    const limit = this.caller.limits.instances ?? [];
    return (
      limit.includes(name) ||
      instances.has(name.toLowerCase()) ||
      (id !== undefined && instances.has(id.toLowerCase())) ||
      (service !== undefined && services.has(service.toLowerCase()))
    );
  }

  /** By its name or id. */
  hasCertificate(reference: string): boolean {
    return this.#now().certificates.has(reference);
  }

  /** The certificate as it is for the caller: with their hosts and rules alone; undefined for others'. */
  certificate(one: Certificate): Certificate | undefined {
    const { certificates } = this.#now();
    const { certificates: granted = [] } = this.caller.limits;
    const isGranted = granted.includes(one.id) || (one.name !== undefined && granted.includes(one.name));
    const uses = certificates.get(one.id) ?? (isGranted ? 0 : undefined);
    if (uses === undefined) return undefined;
    return { ...one, names: isGranted ? one.names : this.names(one.names), used_by: uses };
  }

  /** Those of a certificate's names that the caller's hosts need. */
  names(names: readonly string[]): string[] {
    const hosts = [...this.#now().hosts];
    return names.filter((name) => hosts.some((host) => coversName([name], host)));
  }

  #now(): Names {
    const { revision } = this.#manager;
    const startMs = performance.now();
    if (this.#names !== undefined && (revision === this.#revision || startMs < this.#lookAgainAtMs))
      return this.#names;
    this.#revision = revision;
    this.#names = namesOf(this.#manager.present(), this.#manager);
    const endMs = performance.now();
    this.#lookAgainAtMs = endMs + (endMs - startMs) / LARGEST_SHARE;
    return this.#names;
  }
}

/** What a caller is held to; undefined for one without limits. */
export function ownOf(manager: IngressManager, caller: Caller): Own | undefined {
  const { limits } = caller;
  return limits === undefined ? undefined : new Own(manager, { ...caller, limits });
}

function namesOf(ingresses: Iterable<Ingress>, manager: Pick<IngressManager, "certificatesOf">): Names {
  const instances = new Set<string>();
  const services = new Set<string>();
  const hosts = new Set<string>();
  const certificates = new Map<string, number>();
  for (const ingress of ingresses) {
    for (const rule of ingress.rules) {
      for (const { instance, service } of targetsOf(rule)) {
        if (instance !== undefined) instances.add(instance.toLowerCase());
        if (service !== undefined) services.add(service.toLowerCase());
      }
      hosts.add(hostnameShape(rule.match.hostname));
    }
    for (const one of manager.certificatesOf(ingress))
      certificates.set(one, (certificates.get(one) ?? 0) + 1);
  }
  return { instances, services, hosts, certificates };
}
