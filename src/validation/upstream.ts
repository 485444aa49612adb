import type { Problem } from "../errors.ts";
import type { Upstream } from "../model/api.ts";
import { quote } from "../model/wording.ts";
import { Report } from "../policies/report.ts";

const HOST_HEADER =
  /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/;

/** Protocols that carry requests themselves (the IANA registry of upgrade tokens, and what servers take for them). */
const TRANSPORT_PROTOCOL = /^(?:http|h2c?|h3|tls)(?:\/.*)?$/i;

/** The problems of `upstream` beyond its schema. */
export function upstreamProblems(upstream: Upstream, ruleIndex: number): Problem[] {
  const report = new Report(ruleIndex, "upstream");
  const { host_header, scheme, proxy_protocol, upgrade = [] } = upstream;
  if (host_header !== undefined) {
    const match = HOST_HEADER.exec(host_header);
    const port = Number(match?.[1] ?? 1);
    if (match === null || port < 1 || port > 65_535) {
      report.refuse(
        "host_header",
        `${quote(host_header)} is no host; write a name or an IP address, with :port where it has one`,
      );
    }
  }
  if (scheme === "h2c" && proxy_protocol !== undefined) {
    report.refuse(
      "proxy_protocol",
      "over h2c requests of several clients share a connection, and the header can name one only",
    );
  }
  for (const [index, protocol] of upgrade.entries()) {
    if (!TRANSPORT_PROTOCOL.test(protocol)) continue;
    report.refuse(
      `upgrade[${index}]`,
      `requests behind a switch to ${quote(protocol)} would pass by every rule; use upstream.scheme for HTTP/2 and TLS`,
    );
  }
  if (scheme === "h2c" && upgrade.length > 0) {
    report.refuse("upgrade", "HTTP/2 has no Upgrade; leave it out, or use the scheme http or https");
  }
  return report.problems;
}
