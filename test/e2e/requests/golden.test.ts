import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Compiled } from "../../../src/compiler/compile.ts";
import type { Route } from "../../../src/compiler/route.ts";
import type { Ingress } from "../../../src/model/api.ts";
import { expandTarget } from "../../support/captured.ts";
import { freePort } from "../../support/free-port.ts";
import { startLoadedCaddy, withInternalIssuer } from "../../support/loaded-caddy.ts";
import { type Arrival, PlaceBackends } from "../../support/place-backend.ts";
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

const backends = use(() => new PlaceBackends());
const nobody = use(async () => ({ port: await freePort() }));
const caddy = use(startLoadedCaddy);

beforeAll(async () => {
  await mkdir(join(caddy.folder, "data"), { recursive: true });
  await writeFile(join(caddy.folder, "cloudflare.token"), "0123456789abcdefghijABCDEFGHIJ0123456789");
  for (const key of ["acme-eab.key", "acme-fallback-eab.key"])
    await writeFile(join(caddy.folder, key), "a2V5");
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
  const routes: Route[] = [];
  for (const route of want.table.routes) {
    const { redirect, targets } = route;
    const place = await backends.portOf(route.id);
    routes.push({
      ...route,
      port: await portFor(route.port),
      ...(redirect === undefined ? {} : { redirect: { port: await portFor(redirect.port) } }),
      ...(targets === undefined ? {} : { targets: targets.map((target) => ({ ...target, port: place })) }),
    });
  }
  return { config, table: { version: want.table.version, routes } };
}

/** A Host that the route's host takes. */
const hostOf = ({ host }: Route): string =>
  host === "*" ? "anything.example.org" : host.replace(/\{[^}]*\}|\*/g, "vm-1");

function requestOf(route: Route, { ingresses }: GoldenCase) {
  const [id, rule] = route.id.split("/");
  const auth = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.request_header_auth;
  const path = route.path === undefined ? "/" : encodeURI(route.path.value);
  return {
    host: hostOf(route),
    path,
    method: route.methods?.[0] ?? "GET",
    headers: { ...route.headers, ...(auth === undefined ? {} : { [auth.header]: auth.value }) },
    tls: route.tls === true,
  };
}

/** Rules whose policies may answer or rewrite by themselves: for them it is enough that the rule took the request. */
function isPlain(route: Route, { ingresses }: GoldenCase): boolean {
  const [id, rule] = route.id.split("/");
  const found = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)];
  return found !== undefined && Object.keys(found).every((key) => plainKeys.has(key));
}
const plainKeys = new Set(["match", "target", "tls", "redirect_http", "request_header_auth"]);

/** Rules whose backend must speak something else than plain HTTP; they have tests of their own. */
function needsOtherBackend(route: Route, { ingresses }: GoldenCase): boolean {
  const [id, rule] = route.id.split("/");
  return ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.upstream !== undefined;
}

/** Rules that nobody reaches without a client certificate; test/e2e/tls/options.test.ts has one. */
function wantsClientCertificate(route: Route, { ingresses }: GoldenCase): boolean {
  const [id, rule] = route.id.split("/");
  const options = ingresses.find((ingress) => ingress.id === id)?.rules[Number(rule)]?.tls_options;
  return options?.client_auth?.mode === "require";
}

async function check(route: Route, golden: GoldenCase): Promise<void> {
  if (needsOtherBackend(route, golden)) return;
  const answer = await send(route.port, requestOf(route, golden));
  if (route.redirect !== undefined) {
    expect(answer.status).toBe(301);
    expect(answer.headers["location"]).toBe(`https://${hostOf(route)}:${route.redirect.port}/`);
  } else if (isPlain(route, golden)) {
    expect(answer.status, answer.text).toBe(200);
    expect((JSON.parse(String(answer.headers["x-arrival"])) as Arrival).place).toBe(route.id);
  } else {
    // The policies' own tests say what they do; here the rule took the request.
    expect(answer.text).not.toMatch(/no ingress configured/);
  }
}

describe.each(goldens)("test/golden/$file: $about", (golden) => {
  it("is taken by the real Caddy, and each of its routes by a request", async () => {
    const compiled = await live(golden);
    await caddy.serve(compiled);
    expect(await caddy.api.running()).toMatchObject({
      config: golden.want.config.apps.gatewright.version,
      table: golden.want.table.version,
    });
    const routes = compiled.table.routes.filter((route) => route.stream === undefined);
    // The same again with certificates that can be had without ACME.
    if (routes.some(({ tls }) => tls))
      await caddy.serve({ ...compiled, config: withInternalIssuer(compiled.config) });
    const instances = routes.flatMap((route) =>
      (route.targets ?? []).flatMap(({ instance, service }) => {
        if (service !== undefined) return [`${service}.svc`];
        return instance === undefined ? [] : [expandTarget(route.host, instance, hostOf(route))];
      }),
    );
    const names = instances.map((name) => [name, { addresses: ["127.0.0.1"], ttl_seconds: 600 }]);
    await caddy.api.pushAddresses({ names: Object.fromEntries(names) });
    // A policy that asks somebody outside is loaded only.
    if (JSON.stringify(compiled.config).includes("auth.example.com")) return;
    // Nor is there anybody who permits certificates; test/e2e/tls/on-demand.test.ts has somebody.
    const onDemand = JSON.stringify(compiled.config.apps.tls ?? {}).includes('"on_demand"');
    for (const route of routes) {
      if ((route.tls === true && onDemand) || wantsClientCertificate(route, golden)) continue;
      if (route.tls === true)
        await until(() =>
          send(route.port, requestOf(route, golden)).then(
            () => true,
            () => false,
          ),
        );
      await check(route, golden);
    }
  });
});
