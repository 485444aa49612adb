import type { Registry } from "prom-client";
import { addMetric } from "./add-metric.ts";

/** How much room a member of etcd has, in bytes. */
export interface EtcdRoom {
  readonly endpoint: string;
  readonly size: number;
  readonly used: number;
  readonly quota?: number;
}

/** Adds to a registry how much room etcd has. */
export function addEtcdMetrics(registry: Registry, read: () => readonly EtcdRoom[]): void {
  const gauge = (name: string, help: string, value: (room: EtcdRoom) => number | undefined): void =>
    addMetric(registry, { name, help, labelNames: ["endpoint"] }, () =>
      read().flatMap((room) => {
        const present = value(room);
        return present === undefined ? [] : [[present, { endpoint: room.endpoint }] as const];
      }),
    );
  gauge("etcd_db_bytes", "Size of the database of a member of etcd.", ({ size }) => size);
  gauge(
    "etcd_db_used_bytes",
    "What of it is in use; the rest comes free by defragmenting.",
    ({ used }) => used,
  );
  gauge(
    "etcd_quota_bytes",
    "Size at which it takes no changes any more; of etcd 3.6 and later.",
    ({ quota }) => quota,
  );
}
