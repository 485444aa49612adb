import type { ExplainQuestion, RehearsedRequest } from "../caddy/caddy-api.ts";
import type { GatewrightError } from "../errors.ts";
import type { WantedView } from "../manager/views.ts";
import type { ExplainedDifference, ExplainedRow, Ingress, SetAsideIngress } from "../model/api.ts";
import { API_INGRESS } from "../model/api-ingress.ts";
import { explainedRow } from "./row.ts";
import type { StoredRule } from "./stored-rules.ts";

/** What is stored about a request. */
export interface Stored {
  /** The ingress of the row that takes it; undefined when the store has none. */
  readonly taker: Ingress | undefined;
  /** Where no row takes it: rules of its host, on whatever port. */
  readonly rules: readonly StoredRule[];
  readonly setAside: readonly SetAsideIngress[];
  /** Versions of the host table while Caddy was asked. */
  readonly tables: readonly string[];
}

/** Where what runs is not what is stored, as far as it concerns a request. */
export function differencesOf(
  asked: ExplainQuestion,
  told: RehearsedRequest,
  stored: Stored,
  wanted: WantedView,
): readonly ExplainedDifference[] {
  return [
    ...tableDifference(told, stored),
    ...portDifference(asked, wanted.leftOut().get(asked.port)),
    ...(told.row === undefined ? [] : rowDifference(told.row, stored.taker, wanted)),
    ...(told.row === undefined
      ? stored.rules.flatMap((rule) => ruleDifference(asked, told, rule, wanted))
      : []),
    ...setAsideDifference(asked, stored.setAside),
  ];
}

function tableDifference({ table }: RehearsedRequest, { tables }: Stored): readonly ExplainedDifference[] {
  if (tables.includes(table)) return [];
  const message =
    "Caddy has another host table than what is stored: somebody changed it, or it is being restored.";
  return [{ code: "table_differs", message }];
}

function portDifference(
  { port }: ExplainQuestion,
  error: GatewrightError | undefined,
): readonly ExplainedDifference[] {
  return error === undefined ? [] : [{ code: "port_not_served", message: `Port ${port}: ${error.message}.` }];
}

function rowDifference(
  row: NonNullable<RehearsedRequest["row"]>,
  taker: Ingress | undefined,
  wanted: WantedView,
): readonly ExplainedDifference[] {
  const ingress = explainedRow(row.id, row.ingress);
  if (ingress.id === API_INGRESS) return [];
  if (taker === undefined)
    return [
      {
        code: "row_of_no_ingress",
        message: `Caddy serves a rule of ingress ${row.ingress}, which is not stored.`,
        ingress,
      },
    ];
  const compiled = wanted.rowsOf(taker).find((one) => one.row.id === row.id);
  if (compiled === undefined)
    return [
      {
        code: "row_of_no_ingress",
        message: `Caddy serves a rule that ingress ${taker.name} does not have.`,
        ingress,
      },
    ];
  if (compiled.row.policy === row.policy_set) return [];
  return [
    {
      code: "policy_set_differs",
      message: `Caddy runs other policies for ingress ${taker.name} than are stored.`,
      ingress,
    },
  ];
}

/** Why a stored rule of the host does not take the request. Those that Caddy has asked are told elsewhere. */
function ruleDifference(
  { port }: ExplainQuestion,
  { considered }: RehearsedRequest,
  { ingress, index }: StoredRule,
  wanted: WantedView,
): readonly ExplainedDifference[] {
  const rule = ingress.rules[index];
  const id = `${ingress.id}/${index}`;
  if (rule === undefined || considered.some((one) => one.id === id)) return [];
  const row: ExplainedRow = { id: ingress.id, name: ingress.name, rule: index };
  if (rule.match.port !== port)
    return [
      {
        code: "other_port",
        message: `Ingress ${ingress.name} has ${rule.match.hostname} on port ${rule.match.port}.`,
        ingress: row,
      },
    ];
  if (wanted.rowsOf(ingress).some((one) => one.row.id === id)) return [];
  const elsewhere = wanted.rowsOf(ingress).length === 0 && ingress.gateways !== undefined;
  return [
    elsewhere
      ? {
          code: "other_gateway",
          message: `Ingress ${ingress.name} is served by other gateways.`,
          ingress: row,
        }
      : {
          code: "not_programmed",
          message: `Rule ${index} of ingress ${ingress.name} is stored and not served; its conditions say why.`,
          ingress: row,
        },
  ];
}

function setAsideDifference(
  { host }: ExplainQuestion,
  entries: readonly SetAsideIngress[],
): readonly ExplainedDifference[] {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return entries
    .filter(({ hostnames }) => hostnames.includes(name))
    .map(({ id, name = id, problems }) => ({
      code: "set_aside",
      message: `Ingress ${name} has the hostname and is set aside: ${problems[0]?.message ?? "it cannot be served"}; replace or delete it (PUT or DELETE /ingresses/${id}).`,
    }));
}
