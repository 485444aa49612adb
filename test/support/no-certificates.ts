import type { CertificateOverview } from "../../src/certificates/report.ts";

/** The overview of a Gatewright without certificates. */
export const noCertificates: CertificateOverview = {
  counts: { ready: 0, pending: 0, failed: 0, expired: 0, idle: 0, expiring: 0 },
  ending: [],
  failing: [],
};
