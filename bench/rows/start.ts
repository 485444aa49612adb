import type { Row } from "../row.ts";

/** The first start on data that is there: manager, DNS and Caddy, until everything stored is served. */
export const start: Row = {
  key: "start",
  about: "cold start of manager and Caddy until /ready",
  async measure(_bench, site) {
    return [
      { row: "start", what: "cold start until /ready", size: site.size, value: site.coldStartMs, unit: "ms" },
    ];
  },
};
