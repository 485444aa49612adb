import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Gateway, GatewayIngressStatus, Ingress, IngressStatus } from "../model/api.ts";
import type { StatusBoard } from "../status/status-board.ts";
import { EtcdFailure } from "../store/etcd/failure.ts";
import { patiently } from "../store/etcd/patience.ts";
import { Questions } from "../store/etcd/questions.ts";
import { type GatewayEntry, Registration } from "../store/etcd/registration.ts";
import { storeId } from "../store/store-id.ts";
import type { Revisions, SharedStore } from "./shared-store.ts";

/** What a gateway tells others of, once it serves. */
export interface ServedParts {
  readonly ingresses: Pick<IngressManager, "ready" | "revision" | "lookup" | "setAside">;
  readonly status: Pick<StatusBoard, "statusOf">;
}

/** This gateway among those that share its store. */
export interface Gateways {
  /** Tells of the ingresses that are served; before, that none are. */
  tellOf(ingresses: ServedParts["ingresses"]): void;
  /** Answers others from now on. */
  answerWith(status: ServedParts["status"]): void;
  list(): Promise<readonly Gateway[]>;
  /**
   * Waits until all gateways that live serve what this one does, and returns the names of those that do not within a time; `*`
   * where nobody can be asked.
   */
  settled(limitMs: number): Promise<readonly string[]>;
  /** What each of the other gateways makes of an ingress. Throws `store_unavailable`. */
  statusOf(ingress: Ingress): Promise<readonly GatewayIngressStatus[]>;
  /** Why it is not registered; empty when it is, or needs not be. */
  reasons(): readonly string[];
  /** Takes this gateway out of the list. */
  close(): Promise<void>;
}

/** How long `/gateways` waits for etcd. */
const PATIENCE_MS = 2_000;
/** How long the status of an ingress waits for other gateways. */
const STATUS_MS = 2_000;
const LOOK_MS = 15;

/** What gateways ask each other. */
type Question =
  | { readonly kind: "settled"; readonly revisions: Revisions }
  | { readonly kind: "status"; readonly id: string };

type Answer = { readonly isSettled: boolean } | { readonly status: GatewayIngressStatus };

/** Registers this gateway where it shares its store. Throws `config_invalid` where another one has its name. */
export async function registerGateway(
  config: Config,
  shared: SharedStore | undefined,
  version: string,
): Promise<Gateways> {
  let served: ServedParts["ingresses"] | undefined;
  let board: ServedParts["status"] | undefined;
  const telling: Pick<Gateways, "tellOf" | "answerWith"> = {
    tellOf: (ingresses) => {
      served = ingresses;
    },
    answerWith: (status) => {
      board = status;
    },
  };
  const started_at = new Date().toISOString();
  const name = config.caddy.gateway;
  const entry = () => ({
    version,
    started_at,
    revision: served?.revision ?? 0,
    ready: served?.ready().ready ?? false,
  });
  if (shared === undefined || name === undefined) {
    const alone = (): Gateway => ({ ...(name === undefined ? {} : { name }), ...entry(), answering: true });
    return {
      ...telling,
      list: async () => [alone()],
      settled: async () => [],
      statusOf: async () => [],
      reasons: () => [],
      close: async () => undefined,
    };
  }
  const { client, prefix, sealer } = shared;
  const instance = await storeId(shared.folder);
  const registration = new Registration({ client, prefix, entry: () => ({ name, instance, ...entry() }) });
  await registration.start();
  const told = ({ instance: its, ...rest }: GatewayEntry): Gateway =>
    its === instance ? { ...rest, ...entry(), answering: true } : { ...rest, answering: false };
  /** The ingresses count when Caddy has them. */
  const revisions = (): Revisions => ({ ...shared.revisions(), ingresses: served?.revision ?? 0 });
  const questions = new Questions<Question, Answer>({
    client,
    sealer,
    prefix,
    name,
    living: async () => (await registration.list()).map((one) => one.name),
    answer: async (question, signal) => {
      if (question.kind === "status")
        return { status: await ownStatus(name, question.id, { served, board, revision: entry().revision }) };
      const isSettled = () => hasAll(revisions(), question.revisions) && (served?.ready().ready ?? false);
      while (!isSettled()) await sleep(LOOK_MS, undefined, { signal });
      return { isSettled: true };
    },
  });
  questions.start();
  return {
    ...telling,
    list: async () => (await patiently(() => registration.list(), PATIENCE_MS)).map(told),
    settled: async (limitMs) => {
      try {
        const answers = await questions.ask({ kind: "settled", revisions: revisions() }, limitMs);
        return [...answers].flatMap(([one, said]) => (said === undefined ? [one] : [])).sort();
      } catch (error) {
        if (error instanceof EtcdFailure) return ["*"];
        throw error;
      }
    },
    statusOf: async ({ id }) => {
      const ask = () => questions.ask({ kind: "status", id }, STATUS_MS);
      const answers = await patiently(ask, PATIENCE_MS);
      return [...answers]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([one, said]) =>
          said !== undefined && "status" in said ? said.status : { name: one, answered: false },
        );
    },
    reasons: () => registration.reasons(),
    close: async () => {
      questions.close();
      await registration.close();
    },
  };
}

function hasAll(present: Revisions, wanted: Revisions): boolean {
  return Object.entries(wanted).every(
    ([name, revision]) => (present[name as keyof Revisions] ?? 0) >= revision,
  );
}

/** What this gateway makes of an ingress. */
async function ownStatus(
  name: string,
  id: string,
  {
    board,
    revision,
    served,
  }: {
    readonly served: ServedParts["ingresses"] | undefined;
    readonly board: ServedParts["status"] | undefined;
    readonly revision: number;
  },
): Promise<GatewayIngressStatus> {
  const found = served?.lookup(id);
  const common = { name, answered: true, revision } as const;
  if (found?.kind === "found" && board !== undefined) {
    const { conditions, rules }: IngressStatus = await board.statusOf(found.ingress);
    return { ...common, conditions, rules };
  }
  if (found?.kind === "set-aside") return { ...common, set_aside: found.ingress.problems };
  return common;
}
