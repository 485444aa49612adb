import type { MetricFamily } from "../caddy-json/metric-family.ts";
import type { Logger } from "../log.ts";

export interface CaddyFamiliesOptions {
  /** Rejects when Caddy does not answer, in a bound of its own. */
  readonly ask: () => Promise<readonly MetricFamily[]>;
  readonly logger: Logger;
}

/**
 * What Caddy counts, and whether it told. Without its answer these metrics are absent, which is not zero: a rate over them
 * has a gap and no jump.
 */
export function caddyFamilies({ ask, logger }: CaddyFamiliesOptions): () => Promise<readonly MetricFamily[]> {
  let failed = false;
  return async () => {
    const began = performance.now();
    let told: readonly MetricFamily[] = [];
    let error: unknown;
    try {
      told = await ask();
    } catch (caught) {
      error = caught;
    }
    const isUp = error === undefined;
    // One entry for each time that it ceases, not for each scrape.
    if (!isUp && !failed) logger.warn("Caddy's metrics are left out until it answers", { error });
    failed = !isUp;
    return [
      ...told,
      gauge("gatewright_caddy_scrape_up", "1 when Caddy told its metrics for this scrape.", Number(isUp)),
      gauge(
        "gatewright_caddy_scrape_duration_seconds",
        "How long Caddy took to tell its metrics for this scrape.",
        (performance.now() - began) / 1000,
      ),
    ];
  };
}

function gauge(name: string, help: string, v: number): MetricFamily {
  return { name, help, type: "gauge", labels: [], samples: [{ l: [], v }] };
}
