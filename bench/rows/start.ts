import type { Row } from "../row.ts";

/** The first start on data that is there: manager, DNS and Caddy, until everything stored is served. */
export const start: Row = {
  key: "start",
  about: "cold start of manager and Caddy until /ready",
  async measure(_bench, site) {
    const common = { row: "start", size: site.size, unit: "ms" } as const;
    return [
      { ...common, what: "cold start until /ready", value: site.coldStart.wallMs },
      { ...common, what: "processor time of the manager in it", value: site.coldStart.cpuMs },
    ];
  },
};
