import type { Registry } from "prom-client";
import { addMetric } from "./add-metric.ts";

export interface HealthSources {
  /** Whether `/ready` answers 200. */
  readonly ready: () => boolean;
  readonly caddy: () => {
    readonly isUp: boolean;
    readonly hasDrifted: boolean;
    readonly drifts: number;
    readonly starts: number;
    readonly ends: number;
    readonly unservedPorts: number;
  };
  /** Rules that the settings do not let be served with TLS. */
  readonly unservedTlsRules: () => number;
  /** Changes that wait for the batch under way. */
  readonly waitingChanges: () => number;
  /** Present where gateways share a store: whether it answers. */
  readonly storeUp?: () => boolean;
}

/** Adds to a registry what `/ready` and `/status` say in words. */
export function addHealthMetrics(registry: Registry, sources: HealthSources): void {
  const gauge = (name: string, help: string, read: () => number | boolean): void =>
    addMetric(registry, { name, help }, () => [[Number(read())]]);
  const counter = (name: string, help: string, read: () => number): void =>
    addMetric(registry, { name, help, isCounter: true }, () => [[read()]]);
  const { caddy, ready, storeUp, unservedTlsRules, waitingChanges } = sources;
  gauge("ready", "1 when /ready answers 200.", ready);
  gauge("caddy_up", "1 when Caddy runs and answers.", () => caddy().isUp);
  gauge("caddy_drifted", "1 while Caddy runs something else than it was given.", () => caddy().hasDrifted);
  gauge("unserved_ports", "Ports that rules need and that cannot be bound.", () => caddy().unservedPorts);
  gauge("unserved_tls_rules", "Rules that the settings do not let be served with TLS.", unservedTlsRules);
  if (storeUp !== undefined) gauge("store_up", "1 while etcd is followed and takes changes.", storeUp);
  gauge("waiting_changes", "Changes that wait for the batch under way.", waitingChanges);
  const drifts = "How often Caddy was found with something else than it was given.";
  counter("caddy_drifts_total", drifts, () => caddy().drifts);
  counter("caddy_starts_total", "How often a Caddy was started or found.", () => caddy().starts);
  counter("caddy_ends_total", "How often a Caddy ended by itself.", () => caddy().ends);
}
