import type { ExplainedRow } from "../model/api.ts";

/** The rule that a row of the host table is of; its id is `<ingress id>/<rule index>`, and `/redirect` behind it. */
export function explainedRow(id: string, ingress: string): ExplainedRow {
  const [of = "", rule = "0", redirect] = id.split("/");
  return { id: of, name: ingress, rule: Number(rule), ...(redirect === undefined ? {} : { redirect: true }) };
}
