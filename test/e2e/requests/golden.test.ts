import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PolicySets, Row } from "../../../src/compiler/row.ts";
import type { Ingress } from "../../../src/model/api.ts";
import { expandTarget } from "../../support/captured.ts";
import type { Compiled } from "../../support/compile.ts";
import { startEtcd } from "../../support/etcd.ts";
import { freePort } from "../../support/free-port.ts";
import { startLoadedCaddy, withInternalIssuer } from "../../support/loaded-caddy.ts";
import { type Arrival, RowBackends } from "../../support/row-backends.ts";
import { send } from "../../support/send.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

interface GoldenCase {
  readonly about: string;
  readonly ingresses: readonly Ingress[];
  readonly want: Compiled;
}

const folder = join(import.meta.dirname, "../../golden");
const goldens = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ ...(JSON.parse(readFileSync(join(folder, file), "utf8")) as GoldenCase), file }));

/** Keys of numbers that are listen ports. */
const isListenPort = /^(http_port|https_port|alternate_port|dispatcher_port)$/;

const backends = use(() => new RowBackends());
const nobody = use(async () => ({ port: await freePort() }));
const caddy = use(startLoadedCaddy);
const etcd = use(startEtcd);

beforeAll(async () => {
  await mkdir(join(caddy.folder, "data"), { recursive: true });
  await writeFile(join(caddy.folder, "cloudflare.token"), "0123456789abcdefghijABCDEFGHIJ0123456789");
  for (const key of ["acme-eab.key", "acme-fallback-eab.key"])
    await writeFile(join(caddy.folder, key), "a2V5");
  await writeFile(join(caddy.folder, "etcd.password"), "secret");
  await writeFile(join(caddy.folder, "store.keys"), Buffer.alloc(32).toString("base64"));
});

/** What a live Caddy is given of a golden case: everything as rendered, but for the machine's ports and folders. */
async function live({ want }: GoldenCase): Promise<Compiled> {
  const ports = new Map<string, number>([["2019", caddy.adminPort]]);
  const portFor = async (port: string | number): Promise<number> => {
    const known = ports.get(String(port)) ?? (await freePort());
    ports.set(String(port), known);
    return known;
  };
  const text = (value: string): Promise<string> | string => {
    const listener = /^((?:tcp|udp|gatewright)\/)?(?:[\d.]+|\[[\da-f:]*\]):(\d+)$/.exec(value);
    if (listener !== null)
      return portFor(listener[2] ?? "").then((port) => `${listener[1] ?? ""}127.0.0.1:${port}`);
    // No certificate is ordered from anybody by a test.
    if (value.startsWith("https://acme")) return `https://127.0.0.1:${nobody.port}/directory`;
    if (value.startsWith("https://etcd-")) return etcd.endpoints[0] ?? "";
    return value.replaceAll("/var/lib/gatewright/caddy", caddy.folder);
  };
  const walk = async (value: unknown, key = ""): Promise<unknown> => {
    if (typeof value === "string") return text(value);
    if (typeof value === "number") return isListenPort.test(key) ? portFor(value) : value;
    if (Array.isArray(value)) return Promise.all(value.map((item) => walk(item)));
    if (typeof value !== "object" || value === null) return value;
    const isDispatcher = "handler" in value && value.handler === "gatewright";
    const entries: [string, unknown][] = [];
    for (const [name, member] of Object.entries(value))
      entries.push([name, await walk(member, isDispatcher ? `dispatcher_${name}` : name)]);
    return Object.fromEntries(entries);
  };
  const config = (await walk(want.config)) as Compiled["config"];
  const rows: Row[] = [];
  for (const row of want.table.rows) {
    const { redirect, targets } = row;
    const backendPort = await backends.portOf(row.id);
    rows.push({
      ...row,
      port: await portFor(row.port),
      ...(redirect === undefined ? {} : { redirect: { port: await portFor(redirect.port) } }),
      ...(targets === undefined
        ? {}
        : { targets: targets.map((target) => ({ ...target, port: backendPort })) }),
    });
  }
  const { version } = want.table;
  const policySets = (await walk(want.table.policy_sets)) as PolicySets;
  return { config, table: { version, rows, policy_sets: policySets } };
}

/** A Host that the row's host takes. */
const hostOf = ({ host }: Row): string =>
  host === "*" ? "anything.example.org" : host.replace(/\{[^}]*\}|\*/g, "vm-1");

function requestOf(row: Row, { ingresses }: GoldenCase) {
  const [id, rule] = row.id.split("/");
  const auth = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.request_header_auth;
  const path = row.path === undefined ? "/" : encodeURI(row.path.value);
  return {
    host: hostOf(row),
    path,
    method: row.methods?.[0] ?? "GET",
    headers: { ...row.headers, ...(auth === undefined ? {} : { [auth.header]: auth.value }) },
    tls: row.tls === true,
  };
}

/** Rules whose policies may answer or rewrite by themselves: for them it is enough that the rule took the request. */
function isPlain(row: Row, { ingresses }: GoldenCase): boolean {
  const [id, rule] = row.id.split("/");
  const found = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)];
  return found !== undefined && Object.keys(found).every((key) => plainKeys.has(key));
}
const plainKeys = new Set(["match", "target", "tls", "redirect_http", "request_header_auth"]);

/** Rules whose backend must speak something else than plain HTTP; they have tests of their own. */
function needsOtherBackend(row: Row, { ingresses }: GoldenCase): boolean {
  const [id, rule] = row.id.split("/");
  return ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.upstream !== undefined;
}

/** Rules that nobody reaches without a client certificate; test/e2e/tls/options.test.ts has one. */
function wantsClientCertificate(row: Row, { ingresses }: GoldenCase): boolean {
  const [id, rule] = row.id.split("/");
  const options = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.tls_options;
  return options?.client_auth?.mode === "require";
}

async function check(row: Row, golden: GoldenCase): Promise<void> {
  if (needsOtherBackend(row, golden)) return;
  const answer = await send(row.port, requestOf(row, golden));
  if (row.redirect !== undefined) {
    expect(answer.status).toBe(301);
    expect(answer.headers["location"]).toBe(`https://${hostOf(row)}:${row.redirect.port}/`);
  } else if (isPlain(row, golden)) {
    expect(answer.status, answer.text).toBe(200);
    expect((JSON.parse(String(answer.headers["x-arrival"])) as Arrival).row).toBe(row.id);
  } else {
    // The policies' own tests say what they do; here the rule took the request.
    expect(answer.text).not.toMatch(/no ingress configured/);
  }
}

describe.each(goldens)("test/golden/$file: $about", (golden) => {
  it("is taken by the real Caddy, and each of its rows by a request", async () => {
    const compiled = await live(golden);
    await caddy.serve(compiled);
    expect(await caddy.api.running()).toMatchObject({
      config: golden.want.config.apps.gatewright.version,
      table: golden.want.table.version,
    });
    const rows = compiled.table.rows.filter((row) => row.layer4 === undefined);
    // The same again with certificates that can be had without ACME.
    if (rows.some(({ tls }) => tls))
      await caddy.serve({ ...compiled, config: withInternalIssuer(compiled.config) });
    const instances = rows.flatMap((row) =>
      (row.targets ?? []).flatMap(({ instance, service }) => {
        if (service !== undefined) return [`${service}.svc`];
        return instance === undefined ? [] : [expandTarget(row.host, instance, hostOf(row))];
      }),
    );
    const names = instances.map((name) => [name, { addresses: ["127.0.0.1"] }]);
    await caddy.api.pushAddresses({ names: Object.fromEntries(names) });
    // A policy that asks somebody outside is loaded only.
    if (JSON.stringify(compiled.config).includes("auth.example.com")) return;
    // Nor is there anybody who permits certificates; test/e2e/tls/on-demand.test.ts has somebody.
    const onDemand = JSON.stringify(compiled.config.apps.tls ?? {}).includes('"on_demand"');
    for (const row of rows) {
      if ((row.tls === true && onDemand) || wantsClientCertificate(row, golden)) continue;
      if (row.tls === true)
        await until(() =>
          send(row.port, requestOf(row, golden)).then(
            () => true,
            () => false,
          ),
        );
      await check(row, golden);
    }
  });
});
