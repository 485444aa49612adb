import type { Problem } from "../errors.ts";
import type { Upstream } from "../model/api.ts";
import { quote } from "../model/wording.ts";
import { Report } from "../policies/report.ts";

const HOST_HEADER =
  /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/;

/** The problems of `upstream` beyond its schema. */
export function upstreamProblems(upstream: Upstream, ruleIndex: number): Problem[] {
  const report = new Report(ruleIndex, "upstream");
  const { host_header, scheme, proxy_protocol } = upstream;
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
  return report.problems;
}
