import type { ExplainQuestion, ExplainSource, RehearsedRequest } from "../caddy/caddy-api.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { WantedView } from "../manager/views.ts";
import type { Condition, ExplainRequest, Explanation, Ingress } from "../model/api.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { StatusBoard } from "../status/status-board.ts";
import { nearest } from "../util/nearest.ts";
import { differencesOf } from "./differences.ts";
import { policyVerdicts } from "./policies.ts";
import { type DefaultPorts, readQuestion } from "./question.ts";
import { explainedRow } from "./row.ts";
import { type HostRules, rulesOfHost } from "./stored-rules.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** Ingresses that an explanation may name. */
export type ExplainedIngresses = Pick<IngressManager, "get" | "list" | "setAside">;

export interface ExplainerOptions {
  readonly caddy: ExplainSource;
  readonly ingresses: ExplainedIngresses;
  readonly wanted: WantedView;
  readonly status: Pick<StatusBoard, "statusOf">;
  readonly resolver: Pick<InstanceResolver, "list" | "resolve">;
  readonly ports: DefaultPorts;
}

/** A change that is being made is told to Caddy before it is stored: then it is asked again. */
const MOST_QUESTIONS = 3;

/** Tells what becomes of a request: Caddy rehearses it (caddy/explain), and what is stored is put beside that. */
export class Explainer {
  readonly #options: ExplainerOptions;

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /**
   * Throws `bad_request` with every problem, and `caddy_unavailable`. `own`: for a caller who may know of these ingresses alone;
   * of others it says that they are another subject's.
   */
  async explain(request: ExplainRequest, own?: ExplainedIngresses): Promise<Explanation> {
    const { ports, wanted } = this.#options;
    const ingresses = own ?? this.#options.ingresses;
    const asked = readQuestion(request, ports);
    const { told, tables } = own === undefined ? await this.#ask(asked) : await this.#askOfOwn(asked, own);
    if (isAnothers(told, ingresses) && own !== undefined) return anothers;
    const row = told.row === undefined ? undefined : explainedRow(told.row.id, told.row.ingress);
    const taker = row === undefined ? undefined : ingresses.get(row.id);
    const found = row === undefined ? await rulesOfHost(ingresses.list(), hostOf(asked)) : noRules;
    const differences = differencesOf(
      asked,
      told,
      { taker, rules: found.rules, setAside: ingresses.setAside(), tables },
      wanted,
    );
    const policies = policyVerdicts(told.steps, this.#namesOf(told, taker));
    const conditions = await this.#conditionsOf(taker ?? found.rules[0]?.ingress);
    const spoken = verdictOf(asked, told, policies, own === undefined ? "" : " of yours");
    const verdict = this.#inWords(spoken, told, conditions, differences, own);
    const { tls, considered_more, sent, upstream, answer, last_failure } = told;
    return {
      ...verdict,
      ...(row === undefined ? {} : { ingress: row }),
      ...(verdict.outcome === "answer" && answer !== undefined ? { answer: answerOf(answer) } : {}),
      considered: told.considered.map(({ id, ingress, host, why }) => ({
        ingress: explainedRow(id, ingress),
        hostname: host,
        lacks: why,
      })),
      ...(considered_more === undefined ? {} : { considered_more }),
      ...(tls === undefined ? {} : { tls: withoutOrder(tls) }),
      policies,
      ...(sent === undefined ? {} : { forwarded: sent }),
      ...(upstream === undefined ? {} : { targets: upstream }),
      ...(last_failure === undefined ? {} : { last_failure }),
      differences,
      conditions,
      ...(found.nearest.length === 0 ? {} : { nearest_hostnames: found.nearest }),
    };
  }

  async #ask(asked: ExplainQuestion): Promise<{ told: RehearsedRequest; tables: readonly string[] }> {
    const { caddy, wanted } = this.#options;
    for (let left = MOST_QUESTIONS; ; left--) {
      const before = wanted.tableVersion();
      const told = await caddy.explain(asked);
      const tables = [before, wanted.tableVersion()];
      if (left === 1 || tables.includes(told.table)) return { told, tables };
    }
  }

  /** What is told of others' rules is left out, and their targets are not connected to. */
  async #askOfOwn(
    asked: ExplainQuestion,
    own: ExplainedIngresses,
  ): Promise<{ told: RehearsedRequest; tables: readonly string[] }> {
    const first = await this.#ask({ ...asked, connect: false });
    const { told, tables } = asked.connect && !isAnothers(first.told, own) ? await this.#ask(asked) : first;
    return { told: ownPart(told, own), tables };
  }

  /** The policies of the handlers that ran; undefined when these are not those of the stored rule. */
  #namesOf({ row }: RehearsedRequest, taker: Ingress | undefined): readonly string[] | undefined {
    const { wanted } = this.#options;
    if (row?.policy_set === undefined || taker === undefined) return undefined;
    const compiled = wanted.rowsOf(taker).find((one) => one.row.id === row.id);
    const rule = taker.rules[explainedRow(row.id, "").rule];
    if (compiled?.row.policy !== row.policy_set || rule === undefined) return undefined;
    return wanted.policiesOfHandlers(rule);
  }

  /** Those that are not true. */
  async #conditionsOf(ingress: Ingress | undefined): Promise<readonly Condition[]> {
    if (ingress === undefined) return [];
    const { conditions } = await this.#options.status.statusOf(ingress);
    return conditions.filter(({ status }) => status !== "True");
  }

  /** Adds to the verdict what only the store knows. */
  #inWords(
    verdict: Verdict,
    told: RehearsedRequest,
    conditions: readonly Condition[],
    differences: Explanation["differences"],
    own: ExplainedIngresses | undefined,
  ): Verdict {
    const { reason, message } = verdict;
    const condition = (type: string): string | undefined =>
      conditions.find((one) => one.type === type)?.message;
    const difference = differences.find(({ code }) =>
      ["port_not_served", "not_programmed", "other_gateway", "set_aside"].includes(code),
    );
    switch (reason) {
      case "no_certificate":
        return { ...verdict, message: `${message} ${condition("CertificateReady") ?? ""}`.trim() };
      case "no_address":
        return { ...verdict, message: `${message} ${this.#instanceWords(told, own)}`.trim() };
      case "port":
        return difference === undefined ? verdict : { ...verdict, message: difference.message };
      case "host": {
        if (difference === undefined) return verdict;
        return { ...verdict, reason: "not_programmed", message: `${message} ${difference.message}` };
      }
      default:
        return verdict;
    }
  }

  /** Why instances have no address, and what may be meant where there is none of the name. */
  #instanceWords({ upstream }: RehearsedRequest, own: ExplainedIngresses | undefined): string {
    const { resolver } = this.#options;
    const words = (upstream?.addresses ?? []).slice(0, 3).flatMap(({ name, state }) => {
      if (name === undefined || name === "") return [];
      if (state === "no_address") {
        const known = resolver.resolve(name);
        return known.kind === "no_address" ? [`${name}: ${known.reason}.`] : [];
      }
      if (state !== "unknown" || own !== undefined) return [];
      const like = nearest(
        name,
        resolver.list().map((instance) => instance.name),
        3,
      );
      return like === undefined ? [] : [`The nearest name to ${name} is ${like}.`];
    });
    return words.join(" ");
  }
}

/** What a caller is told of requests that others' rules take. */
const anothers: Explanation = {
  outcome: "another_subject",
  reason: "another_subject",
  message: "A rule of another subject takes it.",
  considered: [],
  policies: [],
  differences: [],
  conditions: [],
};

/** Whether a rule takes the request that is none of these ingresses'. */
function isAnothers({ row }: RehearsedRequest, own: ExplainedIngresses): boolean {
  return row !== undefined && own.get(explainedRow(row.id, "").id) === undefined;
}

/** Without the rules of others, and without what follows from them: how near they came, and the certificate of their host. */
function ownPart(told: RehearsedRequest, own: ExplainedIngresses): RehearsedRequest {
  const { considered_more: _more, ...rest } = told;
  const considered = told.considered.filter(({ id }) => own.get(explainedRow(id, "").id) !== undefined);
  if (told.row !== undefined) return { ...rest, considered };
  const { cause, tls: _tls, ...bare } = rest;
  return { ...bare, considered, ...(cause === undefined || considered.length === 0 ? {} : { cause }) };
}

const noRules: HostRules = { rules: [], nearest: [] };

function hostOf({ host, server_name, network }: ExplainQuestion): string {
  if (network !== "http") return "";
  return (host === "" ? server_name : host)
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
}

function answerOf({
  type,
  ...answer
}: NonNullable<RehearsedRequest["answer"]>): NonNullable<Explanation["answer"]> {
  return { ...answer, ...(type === undefined ? {} : { content_type: type }) };
}

function withoutOrder({
  order: _order,
  ...tls
}: NonNullable<RehearsedRequest["tls"]>): NonNullable<Explanation["tls"]> {
  return tls;
}
