import { isIP } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CreateIngressRequest, Ingress, IngressRuleInput } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { expandTarget } from "../../support/captured.ts";
import { type Filed, type RequestsCase, readRequestsCases, type Taker } from "../../support/cases.ts";
import { explain, withoutId } from "../../support/explain.ts";
import { freePort } from "../../support/free-port.ts";
import { type CaseRequest, cleanPath, hostOf } from "../../support/reference-matcher.ts";
import { type Arrival, RowBackends } from "../../support/row-backends.ts";
import { send } from "../../support/send.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { type Site, useGatewright } from "../../support/use-gatewright.ts";

const cases = readRequestsCases();

/** Ports of the cases → free ones. */
type PortMap = ReadonlyMap<number, number>;

async function freePorts({ ingresses, requests }: RequestsCase, known: PortMap): Promise<PortMap> {
  const used = [
    ...ingresses.flatMap(({ rules }) => rules.map(({ match }) => match.port ?? 0)),
    ...requests.map(({ port }) => port),
  ];
  const ports = new Map(known);
  for (const port of used) if (port !== 0 && !ports.has(port)) ports.set(port, await freePort());
  return ports;
}

const mapped = (ports: PortMap, port: number): number => ports.get(port) ?? port;

/** The documents for live ports, each rule with a target port of its own that tells it from the others. */
function liveDocuments(
  { ingresses }: RequestsCase,
  ports: PortMap,
  backends: RowBackends,
): Promise<CreateIngressRequest[]> {
  const liveRule = async (name: string, { match, target, ...rest }: IngressRuleInput, index: number) => {
    const port = match.port;
    // 80 under TLS means HTTPS_PORT, whatever HTTP_PORT is.
    const listen = port && !(rest.tls === true && port === 80) ? mapped(ports, port) : port;
    return {
      ...rest,
      match: { ...match, ...(listen === undefined ? {} : { port: listen }) },
      target: { instance: "web-1", ...target, port: await backends.portOf(`${name}/${index}`) },
    };
  };
  return Promise.all(
    ingresses.map(async (document) => ({
      ...document,
      rules: await Promise.all(document.rules.map((rule, index) => liveRule(document.name, rule, index))),
    })),
  );
}

/** Instances that the requests of a case need, each at a loopback address of its own. */
function addressesOf({ ingresses, requests }: RequestsCase): ReadonlyMap<string, string> {
  const names = new Set(
    ingresses.flatMap(({ rules }) => rules.map(({ target }) => target?.instance ?? "web-1")),
  );
  for (const request of requests) names.add(instanceOf(ingresses, request) ?? "web-1");
  const literal = [...names].filter((name) => !name.includes("{"));
  return new Map(literal.map((name, index) => [name, `127.0.1.${index + 1}`]));
}

function instanceOf(
  ingresses: RequestsCase["ingresses"],
  { host, want }: CaseRequest & { want: Taker },
): string | undefined {
  if (want === null || "redirect" in want) return undefined;
  const rule = ingresses.find(({ name }) => name === want.ingress)?.rules[want.rule];
  const instance = rule?.target?.instance;
  return instance === undefined ? undefined : expandTarget(rule?.match.hostname ?? "", instance, host);
}

/** Sends the request; what takes it must be what the case says: rule and instance, redirect, or nobody. */
async function check(
  one: RequestsCase,
  request: RequestsCase["requests"][number],
  ports: PortMap,
  api: string,
): Promise<void> {
  const answer = await send(mapped(ports, request.port), request);
  const { want } = request;
  await compareExplained(api, mapped(ports, request.port), request, answer);
  if (want === null) {
    expect(answer.status).toBe(404);
    expect(answer.text).toMatch(/^Not Found: no (?:ingress configured for|rule of) hostname /);
  } else if ("redirect" in want) {
    const { host, port, target } = want.redirect;
    expect(answer.status).toBe(request.method === "GET" ? 301 : 308);
    expect(answer.headers["location"]).toBe(`https://${host}:${mapped(ports, port)}${target}`);
  } else if (UNREADABLE.test(decodedPath(request.path))) {
    // Found by this row, whose policy on unclean paths turns it away.
    expect(answer.status, answer.text).toBe(400);
  } else {
    expect(answer.status, answer.text).toBe(200);
    const arrival = JSON.parse(String(answer.headers["x-arrival"])) as Arrival;
    expect([arrival.row, arrival.address]).toEqual([
      `${want.ingress}/${want.rule}`,
      addressesOf(one).get(instanceOf(one.ingresses, request) ?? ""),
    ]);
    expect(arrival.url).toBe(askedFor(request.path));
  }
}

/** What is explained is what happened: the rule, the status and the page. */
async function compareExplained(
  api: string,
  port: number,
  { tls, host, path, method, headers = {} }: CaseRequest,
  answer: Awaited<ReturnType<typeof send>>,
): Promise<void> {
  const url = `${tls ? "https" : "http"}://127.0.0.1:${port}${path}`;
  const told = await explain(api, {
    url,
    method,
    headers: { ...headers, Host: host },
    ...(tls ? { sni: isIP(hostOf(host)) === 0 ? hostOf(host) : "" } : {}),
  });
  const arrival = answer.headers["x-arrival"];
  if (arrival !== undefined) {
    const { row } = JSON.parse(String(arrival)) as Arrival;
    expect([told.outcome, `${told.ingress?.name}/${told.ingress?.rule}`]).toEqual(["instance", row]);
    return;
  }
  expect([told.answer?.status, told.answer?.location]).toEqual([answer.status, answer.headers["location"]]);
  if (answer.headers["location"] === undefined)
    expect(withoutId(told.answer?.body ?? "")).toBe(withoutId(answer.text));
}

/** Paths that an instance may read as others: control characters, where some cut the path off. */
const UNREADABLE = /\p{Cc}/u;

function decodedPath(target: string): string {
  return decodeURIComponent(target.replace(/\?.*$/s, ""));
}

/** What the backend is asked for is what the client sent, or else the path that the rule was found by. */
function askedFor(target: string): string {
  const decoded = decodedPath(target);
  const clean = cleanPath(decoded);
  return clean === decoded ? target : encodeURI(clean);
}

const yesNo = [() => true, () => false] as const;
const title = "$method $host $path on $port (tls $tls) → $want";

/** Exports everything, deletes it, and imports it again: the ids must be the same. */
async function exportAndImport({ url }: Site): Promise<void> {
  const list = async () => (await call<Ingress[]>(`${url}/ingresses`)).text;
  const before = await list();
  const archive = (await call(`${url}/export`, { body: {} })).text;
  for (const path of ["ingresses", "instances"])
    for (const { id } of (await call<Ingress[]>(`${url}/${path}`)).body)
      expect((await call(`${url}/${path}/${id}`, { method: "DELETE" })).status).toBe(204);
  const headers = { "content-type": "application/octet-stream" };
  const imported = await call(`${url}/import`, { method: "POST", headers, body: archive });
  expect(imported.status, imported.text).toBe(200);
  expect(await list()).toBe(before);
}

describe.each([
  { origin: "created over REST", moved: async () => undefined },
  { origin: "imported from an archive", moved: exportAndImport },
])("requests through ingresses $origin", ({ moved }) => {
  const backends = use(() => new RowBackends());
  // Certificates of Caddy's own authority: TLS rules are spoken to without a CA.
  const gatewright = useGatewright({ TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" });

  describe.each(cases)("$file", (one: Filed<RequestsCase>) => {
    let ports: PortMap;

    beforeAll(async () => {
      const { http, https } = gatewright.ports;
      ports = await freePorts(
        one,
        new Map([
          [80, http],
          [443, https],
        ]),
      );
      for (const [name, ip] of addressesOf(one)) await gatewright.put(name, ip);
      for (const { name, rules } of await liveDocuments(one, ports, backends))
        await gatewright.make(name, ...rules);
      await moved(gatewright);
      // Certificates are made in the background after a change.
      for (const request of one.requests.filter(({ tls }) => tls)) {
        await until(() => send(mapped(ports, request.port), request).then(...yesNo));
      }
    });

    afterAll(async () => {
      for (const { name } of one.ingresses) {
        const deleted = await call(`${gatewright.url}/ingresses/${name}`, { method: "DELETE" });
        expect(deleted.status).toBe(204);
      }
    });

    it.each(one.requests)(title, (request) => check(one, request, ports, gatewright.url));
  });

  it("some are over TLS", () => {
    expect(cases.flatMap(({ requests }) => requests).filter(({ tls }) => tls).length).toBeGreaterThan(0);
  });
});
