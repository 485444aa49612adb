import type { PolicySet } from "./caddy-json.ts";
import type { CompiledRoute } from "./routes.ts";

/** A listen port and the kinds of traffic that routes expect on it. */
export interface PortUse {
  readonly port: number;
  readonly plain: boolean;
  readonly tls: boolean;
}

/** What of the routes decides the Caddy configuration: ports, policy sets, names with certificates. */
export interface StructureView {
  /** By ascending port. */
  ports(): readonly PortUse[];
  /** By ascending key. */
  policySets(): readonly (readonly [string, PolicySet])[];
  /** Ascending. */
  tlsSubjects(): readonly string[];
}

/** A structure at one moment. */
export class StructureSnapshot implements StructureView {
  readonly #ports: readonly PortUse[];
  readonly #policySets: readonly (readonly [string, PolicySet])[];
  readonly #tlsSubjects: readonly string[];

  constructor(view: StructureView) {
    this.#ports = view.ports();
    this.#policySets = view.policySets();
    this.#tlsSubjects = view.tlsSubjects();
  }

  ports(): readonly PortUse[] {
    return this.#ports;
  }

  policySets(): readonly (readonly [string, PolicySet])[] {
    return this.#policySets;
  }

  tlsSubjects(): readonly string[] {
    return this.#tlsSubjects;
  }
}

/**
 * Counts what routes use, so that a change of one ingress tells in constant time whether the configuration
 * changes with it or only the host table does.
 */
export class Structure implements StructureView {
  readonly #ports = new Map<number, { plain: number; tls: number }>();
  readonly #policySets = new Map<string, { set: PolicySet; uses: number }>();
  readonly #tlsSubjects = new Map<string, number>();
  #generation = 0;

  /** Grows whenever a port, a kind of traffic on it, a policy set or a TLS name comes or goes. */
  get generation(): number {
    return this.#generation;
  }

  add({ route, policySet, tlsSubject }: CompiledRoute): void {
    this.#countPort(route.port, route.tls === true ? "tls" : "plain", 1);
    if (policySet !== undefined) {
      const known = this.#policySets.get(policySet.key) ?? { set: policySet.set, uses: 0 };
      if (known.uses === 0) this.#generation += 1;
      known.uses += 1;
      this.#policySets.set(policySet.key, known);
    }
    if (tlsSubject !== undefined) this.#countSubject(tlsSubject, 1);
  }

  remove({ route, policySet, tlsSubject }: CompiledRoute): void {
    this.#countPort(route.port, route.tls === true ? "tls" : "plain", -1);
    const known = policySet === undefined ? undefined : this.#policySets.get(policySet.key);
    if (policySet !== undefined && known !== undefined) {
      known.uses -= 1;
      if (known.uses === 0) {
        this.#generation += 1;
        this.#policySets.delete(policySet.key);
      }
    }
    if (tlsSubject !== undefined) this.#countSubject(tlsSubject, -1);
  }

  #countPort(port: number, kind: "plain" | "tls", step: 1 | -1): void {
    const use = this.#ports.get(port) ?? { plain: 0, tls: 0 };
    if (use[kind] === (step === 1 ? 0 : 1)) this.#generation += 1;
    use[kind] += step;
    if (use.plain + use.tls === 0) this.#ports.delete(port);
    else this.#ports.set(port, use);
  }

  #countSubject(subject: string, step: 1 | -1): void {
    const uses = (this.#tlsSubjects.get(subject) ?? 0) + step;
    if (uses === (step === 1 ? 1 : 0)) this.#generation += 1;
    if (uses === 0) this.#tlsSubjects.delete(subject);
    else this.#tlsSubjects.set(subject, uses);
  }

  ports(): readonly PortUse[] {
    return [...this.#ports]
      .map(([port, use]) => ({ port, plain: use.plain > 0, tls: use.tls > 0 }))
      .sort((left, right) => left.port - right.port);
  }

  policySets(): readonly (readonly [string, PolicySet])[] {
    return [...this.#policySets]
      .map(([key, { set }]) => [key, set] as const)
      .sort(([left], [right]) => (left < right ? -1 : 1));
  }

  tlsSubjects(): readonly string[] {
    return [...this.#tlsSubjects.keys()].sort();
  }
}

/** What either of two structures has: a configuration for it serves the routes of both. */
export function unite(left: StructureView, right: StructureView): StructureView {
  const ports = new Map<number, PortUse>();
  for (const use of [...left.ports(), ...right.ports()]) {
    const known = ports.get(use.port);
    ports.set(use.port, {
      port: use.port,
      plain: use.plain || known?.plain === true,
      tls: use.tls || known?.tls === true,
    });
  }
  const policySets = new Map([...left.policySets(), ...right.policySets()]);
  const subjects = new Set([...left.tlsSubjects(), ...right.tlsSubjects()]);
  return {
    ports: () => [...ports.values()].sort((one, other) => one.port - other.port),
    policySets: () => [...policySets].sort(([one], [other]) => (one < other ? -1 : 1)),
    tlsSubjects: () => [...subjects].sort(),
  };
}
