import type { Command } from "commander";
import type {
  GatewayIngressStatus,
  Ingress,
  IngressStatus,
  IngressTraffic,
  TargetStatus,
  TrafficWindow,
} from "../../model/api.ts";
import { editText } from "../edit.ts";
import type { Io } from "../io.ts";
import { Session, type Shown, toYaml } from "../session.ts";
import { type Column, textTable } from "../table.ts";
import { ageOf, matchText, pairsOf, tagsText, targetsText } from "../words.ts";
import { collect, withMessage } from "./shared.ts";

interface ListOptions {
  readonly name?: string;
  readonly hostname?: string;
  readonly instance?: string;
  readonly search?: string;
  readonly tag: readonly string[];
}

interface CreateOptions {
  readonly host: readonly string[];
  readonly to: readonly string[];
  readonly path?: string;
  readonly tls?: boolean;
  readonly redirectHttp?: boolean;
  readonly tag: readonly string[];
  readonly message?: string;
}

const shown: Shown<Ingress> = {
  columns: [
    { title: "NAME", value: ({ name }) => name },
    { title: "TAKES", value: ({ rules }) => rules.map(matchText).join(" ") },
    { title: "LEADS TO", value: ({ rules }) => [...new Set(rules.map(targetsText))].join("; ") },
    { title: "TAGS", value: (ingress) => tagsText(ingress) || undefined },
    { title: "CHANGED", value: ({ updated_at }) => ageOf(updated_at) },
  ],
  name: ({ name }) => `ingress/${name}`,
  none: "There is no such ingress. `gatewright ingress create` makes one.",
};

/** `gatewright ingress`. */
export function addIngressCommands(program: Command, io: Io): void {
  const ingress = program
    .command("ingress")
    .alias("ingresses")
    .description("Which hostname goes to which instance");

  ingress
    .command("list")
    .alias("ls")
    .description("List ingresses by ascending id")
    .option("--name <name>", "exactly this name")
    .option("--hostname <hostname>", "with a rule of this hostname")
    .option("--instance <instance>", "that lead to this instance")
    .option("--search <text>", "with this text in an id, name, hostname or target")
    .option("--tag <key=value>", "with this tag; may be repeated", collect, [])
    .action(async (options: ListOptions, command: Command) => {
      const session = new Session(io, command);
      await session.list(session.api.pages<Ingress>(`/ingresses?${listQuery(options)}`), shown);
    });

  ingress
    .command("get <ingress>")
    .description("Show an ingress, by its id, its name, or the beginning of its id")
    .action(async (reference: string, _: object, command: Command) => {
      const session = new Session(io, command);
      const found = await session.api.get<Ingress>(pathOf(reference));
      const text = await toYaml(found);
      await session.show(
        found,
        () => text,
        () => shown.name(found),
      );
    });

  ingress
    .command("create <name>")
    .description(
      "Create an ingress with one rule for each hostname; `gatewright apply` takes whole documents",
    )
    .requiredOption("--host <hostname>", "hostname, pattern or wildcard; may be repeated", collect)
    .requiredOption(
      "--to <instance[:port]>",
      "instance, and its port (80 if none is given); may be repeated, which makes a pool",
      collect,
    )
    .option("--path <prefix>", "only paths below this one")
    .option("--tls", "serve it over HTTPS")
    .option("--redirect-http", "redirect plain HTTP to HTTPS")
    .option("--tag <key=value>", "may be repeated", collect, [])
    .option("--message <text>", "why, for the history")
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const session = new Session(io, command);
      const path = withMessage("/ingresses", options.message);
      const { body } = await session.api.call<Ingress>({
        method: "POST",
        path,
        body: documentOf(name, options),
      });
      await session.show(
        body,
        () => `Ingress ${body.name} (${body.id}) is served.`,
        () => shown.name(body),
      );
    });

  ingress
    .command("edit <ingress>")
    .description("Change an ingress in $EDITOR, and see the plan before it is applied")
    .option("-y, --yes", "apply without being asked")
    .option("--message <text>", "why, for the history")
    .action(async (reference: string, options: { yes?: boolean; message?: string }, command: Command) => {
      const session = new Session(io, command);
      await editIngress(session, reference, options);
    });

  ingress
    .command("delete <ingress...>")
    .alias("rm")
    .description("Delete ingresses")
    .option("-y, --yes", "without being asked")
    .option("--message <text>", "why, for the history")
    .action(async (references: string[], options: { yes?: boolean; message?: string }, command: Command) => {
      const session = new Session(io, command);
      const found = await Promise.all(
        references.map((one) => session.api.call<Ingress>({ path: pathOf(one) })),
      );
      await session.confirm(`Delete ${found.map(({ body }) => body.name).join(", ")}?`, options.yes);
      for (const { body, etag } of found) {
        const path = withMessage(pathOf(body.id), options.message);
        await session.api.call({
          method: "DELETE",
          path,
          headers: etag === undefined ? {} : { "If-Match": etag },
        });
        await session.show(
          body,
          () => `Ingress ${body.name} is deleted.`,
          () => shown.name(body),
        );
      }
    });

  ingress
    .command("status <ingress>")
    .description("Whether an ingress is served, and the health of its targets")
    .option("--gateways", "what the other gateways make of it, too")
    .action(async (reference: string, options: { gateways?: boolean }, command: Command) => {
      const session = new Session(io, command);
      const all = options.gateways === true ? "?gateways=all" : "";
      const status = await session.api.get<IngressStatus>(`${pathOf(reference)}/status${all}`);
      await session.show(
        status,
        () => statusText(status),
        () => `ingress/${reference}`,
      );
    });

  ingress
    .command("traffic <ingress>")
    .description("Requests, statuses and latencies of the last 1, 5 and 15 minutes")
    .action(async (reference: string, _: object, command: Command) => {
      const session = new Session(io, command);
      const traffic = await session.api.get<IngressTraffic>(`${pathOf(reference)}/traffic`);
      await session.show(
        traffic,
        () => trafficText(traffic),
        () => `ingress/${reference}`,
      );
    });
}

function pathOf(reference: string): string {
  return `/ingresses/${encodeURIComponent(reference)}`;
}

function listQuery({ hostname, instance, name, search, tag }: ListOptions): URLSearchParams {
  const query = new URLSearchParams({ limit: "1000" });
  const given = { name, hostname, instance, q: search };
  for (const [key, value] of Object.entries(given)) if (value !== undefined) query.set(key, value);
  for (const [key, value] of Object.entries(pairsOf(tag))) query.set(`tags[${key}]`, value);
  return query;
}

function documentOf(name: string, options: CreateOptions): object {
  const targets = options.to.map((text) => {
    const at = text.lastIndexOf(":");
    return { instance: at < 0 ? text : text.slice(0, at), port: Number(at < 0 ? 80 : text.slice(at + 1)) };
  });
  const [single] = targets;
  const rules = options.host.map((hostname) => ({
    match: {
      hostname,
      ...(options.path === undefined ? {} : { path: { type: "prefix", value: options.path } }),
    },
    ...(targets.length > 1 ? { targets } : { target: single }),
    ...(options.tls === true ? { tls: true } : {}),
    ...(options.redirectHttp === true ? { redirect_http: true } : {}),
  }));
  return { name, ...(options.tag.length === 0 ? {} : { tags: pairsOf(options.tag) }), rules };
}

async function editIngress(
  session: Session,
  reference: string,
  options: { readonly yes?: boolean; readonly message?: string },
): Promise<void> {
  const { body, etag } = await session.api.call<Ingress>({ path: pathOf(reference) });
  const edited = await editText(session, await toYaml(body), `${body.name}.yaml`);
  if (edited === undefined) return session.note("Nothing was changed.");
  await edited.keepingOnFailure(async (document) => {
    await edited.plan({ replace: { id: body.id, ingress: document } });
    await session.confirm("Apply this?", options.yes);
    const path = withMessage(pathOf(body.id), options.message);
    const headers = etag === undefined ? {} : { "If-Match": etag };
    await session.api.call({ method: "PUT", path, body: document, headers });
    session.note(`Ingress ${body.name} is changed.`);
  });
}

function statusText({ conditions, gateways = [], rules }: IngressStatus): string {
  const elsewhere = gateways.flatMap((one) => ["", `at ${one.name}:`, gatewayText(one)]);
  return [ownText({ conditions, rules }), ...elsewhere].join("\n");
}

function gatewayText({ answered, conditions, rules = [], set_aside }: GatewayIngressStatus): string {
  if (!answered) return "? no answer";
  if (set_aside !== undefined) return `✗ set aside: ${set_aside.map(({ message }) => message).join("; ")}`;
  return conditions === undefined ? "? not there yet" : ownText({ conditions, rules });
}

function ownText({ conditions, rules }: Pick<IngressStatus, "conditions" | "rules">): string {
  const lines = conditions.map(({ message, reason, status, type }) => {
    const mark = status === "True" ? "✓" : status === "False" ? "✗" : "?";
    // Where all is well the reason says the type again.
    const told = [status === "True" && message !== "" ? "" : reason, message].filter((part) => part !== "");
    return `${mark} ${type}: ${told.join(", ")}`;
  });
  const targets = rules.flatMap(({ hostname, targets: all }) =>
    all.flatMap((one) => healthRows(hostname, one)),
  );
  return [...lines, ...(targets.length === 0 ? [] : ["", ...textTable(healthColumns, targets)])].join("\n");
}

type HealthRow = Record<"host" | "target" | "address" | "health" | "message", string>;

function healthRows(
  host: string,
  { addresses, mode, reason = "", target }: TargetStatus,
): readonly HealthRow[] {
  const named = `${target.instance ?? target.service ?? target.address}:${target.port}${mode === "active" ? "" : ` (${mode})`}`;
  if (addresses.length === 0)
    return [{ host, target: named, address: "-", health: "no address", message: reason }];
  return addresses.map(({ address, health, message = "" }) => ({
    host,
    target: named,
    address,
    health,
    message,
  }));
}

const healthColumns: readonly Column<HealthRow>[] = [
  { title: "HOST", value: ({ host }) => host },
  { title: "TARGET", value: ({ target }) => target },
  { title: "ADDRESS", value: ({ address }) => address },
  { title: "HEALTH", value: ({ health }) => health },
  { title: "WHY", value: ({ message }) => message || undefined },
];

const seconds = (value: number | undefined): string =>
  value === undefined ? "-" : `${(value * 1000).toPrecision(3)} ms`;

const trafficColumns: readonly Column<TrafficWindow>[] = [
  { title: "LAST", value: (window) => `${window.seconds / 60} min` },
  { title: "REQUESTS", value: ({ requests }) => String(requests) },
  { title: "PER SECOND", value: ({ rate }) => rate.toFixed(2) },
  { title: "P50", value: ({ p50 }) => seconds(p50) },
  { title: "P95", value: ({ p95 }) => seconds(p95) },
  { title: "P99", value: ({ p99 }) => seconds(p99) },
  {
    title: "STATUSES",
    value: ({ statuses }) =>
      Object.entries(statuses)
        .map(([status, count]) => `${status}: ${count}`)
        .join(", "),
  },
];

function trafficText({ windows }: IngressTraffic): string {
  return textTable(trafficColumns, windows).join("\n");
}
