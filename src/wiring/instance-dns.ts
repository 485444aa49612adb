import { type DnsServer, startDnsServer } from "../dns/server.ts";
import type { Foundation } from "./foundation.ts";
import { createInstances, type Instances } from "./instances.ts";
import type { Lifetime } from "./lifetime.ts";

/** Starts the source of instances and the DNS server that answers for it. */
export async function startInstances(
  { config, documentChecks, events, logger, metrics, prefetched, shared }: Foundation,
  lifetime: Lifetime,
): Promise<{ readonly instances: Instances; readonly dns: DnsServer }> {
  const how = { documentCheck: documentChecks.instances, prefetched: prefetched?.instances };
  const instances = createInstances(config, {
    logger: logger.child("instances"),
    events,
    metrics,
    how,
    shared,
  });
  const { resolver } = instances;
  await resolver.start();
  lifetime.add(resolver);
  const settings = { ...config.dns, resolver, observe: metrics.dns };
  const dns = lifetime.add(await startDnsServer({ ...settings, logger: logger.child("dns") }));
  return { instances, dns };
}
