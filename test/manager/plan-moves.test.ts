import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import type { WantedSet } from "../../src/manager/ingress-manager.ts";
import type { CreateIngressRequest, Ingress, IngressRule, PlanMove } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { use } from "../support/use.ts";

const world = use(async () => {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  await registry.put("vm-1", { network: { ip: "10.0.0.1" } });
  return startManagerOverMemory({ resolver: registry, logger });
});

interface Question {
  readonly host: string;
  readonly path: string;
  readonly method: string;
}

const labels = ["a", "b", "c"];
const hosts = [...labels.flatMap((one) => labels.map((other) => `${one}.${other}.test`)), "other.example"];
const paths = ["/", "/x", "/x/y", "/z"];
const questions: readonly Question[] = hosts.flatMap((host) =>
  paths.flatMap((path) => ["GET", "POST"].map((method) => ({ host, path, method }))),
);

/** A rule as the documentation says that rules are chosen by: without any index. */
function isTaken({ match }: IngressRule, { host, method, path }: Question): boolean {
  const asked = host.split(".");
  const wanted = match.hostname.split(".");
  const hostFits =
    match.hostname === "*" ||
    (asked.length === wanted.length && wanted.every((label, at) => label === "*" || label === asked[at]));
  const prefix = match.path?.value.replace(/\/$/, "") ?? "";
  const pathFits =
    match.path === undefined ||
    (match.path.type === "exact"
      ? path === match.path.value
      : path === prefix || path.startsWith(`${prefix}/`));
  return hostFits && pathFits && (match.methods === undefined || match.methods.includes(method as "GET"));
}

/** What precedence goes by; the greatest wins. */
function rank({ match: { hostname, methods, path } }: IngressRule): string {
  const wanted = hostname.split(".");
  const literals = wanted.filter((label) => label !== "*").length;
  const leftmost = wanted.map((label) => (label === "*" ? 0 : 1)).join("");
  const place = path === undefined || path.value === "/" ? "00" : String(path.value.length).padStart(2, "0");
  return [
    hostname === "*" ? 0 : 1,
    literals,
    leftmost.padEnd(8, "0"),
    path?.type === "exact" ? 1 : 0,
    place,
    methods === undefined ? 0 : 1,
  ].join("-");
}

function whoAnswers(ingresses: readonly Ingress[], question: Question): Ingress | undefined {
  const taken = ingresses.flatMap((ingress) =>
    ingress.rules.filter((rule) => isTaken(rule, question)).map((rule) => ({ ingress, rank: rank(rule) })),
  );
  return taken.sort((one, other) => (one.rank < other.rank ? 1 : -1))[0]?.ingress;
}

/** Random documents whose rules take from each other. */
function randomSet(random: () => number): WantedSet {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  const document = (name: string): CreateIngressRequest => ({
    name,
    rules: Array.from({ length: pick([1, 2, 3]) }, () => ({
      match: {
        hostname: pick(["*", `*.${pick(labels)}.test`, "*.*.test", pick(hosts), pick(hosts)]),
        ...(random() < 0.5
          ? { path: { type: pick(["prefix", "exact"] as const), value: pick(["/", "/x", "/x/y"]) } }
          : {}),
        ...(random() < 0.3 ? { methods: [pick(["GET", "POST"] as const)] } : {}),
      },
      target: { instance: "vm-1", port: 80 },
    })),
  });
  const names = ["one", "two", "three", "four"].filter(() => random() < 0.6);
  const ingresses = names.map((name) => ({ request: document(name) }));
  return { ingresses, ...(random() < 0.5 ? { goes: () => true } : {}) };
}

describe("the moves of a plan", () => {
  it("name each ingress that would answer otherwise a request of another, or lose it", async () => {
    const { ingresses } = world.manager;
    const random = seededRandom(20_261_121);
    const seen = { moved: 0, lost: 0, unmoved: 0 };
    for (let round = 0; round < 400; round += 1) {
      const set = randomSet(random);
      const before = [...ingresses.list()];
      const plan = await ingresses.plan({ kind: "set", set });
      if (!plan.accepted) continue;
      await ingresses.apply(set).catch((error: unknown) => {
        if (!isGatewrightError(error)) throw error;
      });
      const after = [...ingresses.list()];
      const told = new Set(plan.effect?.moves.map(endsOf));
      const moved = new Set<string>();
      for (const question of questions) {
        const from = whoAnswers(before, question);
        const to = whoAnswers(after, question);
        if (from === undefined || from.id === to?.id) continue;
        const move = endsOf({ from, ...(to && { to }) });
        moved.add(move);
        expect(told, `round ${round}: ${JSON.stringify(question)}`).toContain(move);
        seen[to === undefined ? "lost" : "moved"] += 1;
      }
      if (moved.size === 0 && told.size === 0) seen.unmoved += 1;
    }
    expect(Math.min(seen.moved, seen.lost, seen.unmoved)).toBeGreaterThan(10);
  });
});

/** By names: the apply gives what it creates other ids. */
function endsOf({
  from,
  to,
}: {
  readonly from: Pick<PlanMove["from"], "name">;
  readonly to?: { readonly name: string };
}) {
  return `${from.name} → ${to?.name ?? "nobody"}`;
}
