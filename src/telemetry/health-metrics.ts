import { Counter, Gauge, type Registry } from "prom-client";

export interface HealthSources {
  /** Whether `/ready` answers 200. */
  readonly ready: () => boolean;
  readonly caddy: () => {
    readonly isUp: boolean;
    readonly hasDrifted: boolean;
    readonly drifts: number;
    readonly unservedPorts: number;
  };
  /** Rules that the settings do not let be served with TLS. */
  readonly unservedTlsRules: () => number;
  /** Present where another Gatewright is followed: whether all is served as that one has it. */
  readonly followed?: () => boolean;
}

/** Adds to a registry what `/ready` and `/status` say in words. */
export function addHealthMetrics(registry: Registry, sources: HealthSources): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name: `gatewright_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  const { caddy, followed, ready, unservedTlsRules } = sources;
  gauge("ready", "1 when /ready answers 200.", () => Number(ready()));
  gauge("caddy_up", "1 when Caddy runs and answers.", () => Number(caddy().isUp));
  gauge("caddy_drifted", "1 while Caddy runs something else than it was given.", () =>
    Number(caddy().hasDrifted),
  );
  gauge("unserved_ports", "Ports that rules need and that cannot be bound.", () => caddy().unservedPorts);
  gauge("unserved_tls_rules", "Rules that the settings do not let be served with TLS.", unservedTlsRules);
  if (followed !== undefined)
    gauge("follow_up", "1 while all is served as the followed Gatewright has it.", () => Number(followed()));
  new Counter({
    name: "gatewright_caddy_drifts_total",
    help: "How often Caddy was found with something else than it was given.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(caddy().drifts);
    },
  });
}
