import { describe, expect, it } from "vitest";
import { documentedOperations } from "../contract/documented.ts";
import type { TestApi } from "../support/http-api.ts";
import type { HttpReply } from "../support/http-call.ts";
import { document, type Headers, red, startTwoTeams, type Theirs } from "../support/two-teams.ts";

/** Everything of the other team has this in its names, hostnames, subjects and texts. */
const THEIRS = /blue/i;

/** One call of the caller with limits, and the statuses that it may get. */
interface Attempt {
  readonly path: string;
  readonly json?: unknown;
  readonly headers?: Headers;
  readonly status: number;
}

const mine = document("red", "b.red.test");
/** Would take requests of an ingress that is nobody's. */
const narrower = {
  name: "red",
  rules: [
    {
      match: { hostname: "free.red.test", path: { type: "prefix", value: "/login" } },
      target: { instance: "red", port: 80 },
    },
  ],
};

/** References that could lead to another's object. */
const toIngress = ({ ingress }: Theirs): readonly string[] => [ingress, "blue", ingress.slice(0, 8)];
const toInstance = ({ instance }: Theirs): readonly string[] => [instance, "blue", instance.slice(0, 8)];
const toCertificate = ({ certificate }: Theirs): readonly string[] => [certificate, "blue", "a.blue.test"];

const at = (
  references: readonly string[],
  path: (reference: string) => string,
  status: number,
  json?: unknown,
): readonly Attempt[] =>
  references.map((one) => ({ path: path(one), status, ...(json === undefined ? {} : { json }) }));

const refused = (path: string, json?: unknown): readonly Attempt[] => at([path], (one) => one, 403, json);

/**
 * For each operation of openapi.json what a token with limits tries with what is another's. An operation that is not here
 * fails the test: whoever adds one says here what such a token gets of it.
 */
const attempts: { readonly [operation: string]: (theirs: Theirs) => readonly Attempt[] } = {
  "GET /ingresses": () => [
    { path: "/ingresses", status: 200 },
    { path: "/ingresses?limit=1", status: 200 },
    { path: "/ingresses?q=blue", status: 200 },
    { path: "/ingresses?state=set-aside", status: 200 },
  ],
  "POST /ingresses": ({ certificate, ingress }) => [
    // The nearest name of an instance, and the names on a certificate, would be theirs.
    { path: "/ingresses", json: document("bleu", "c.red.test"), status: 400 },
    { path: "/ingresses", json: document("red-2", "c.red.test", certificate), status: 400 },
    { path: "/ingresses", json: document("blue", "c.red.test"), status: 409 },
    { path: "/ingresses", json: { ...document("red-2", "c.red.test"), id: ingress }, status: 400 },
    {
      path: "/ingresses",
      json: { ...mine, name: "red-2", rules: [{ ...mine.rules[0], match: { hostname: "a.blue.test" } }] },
      status: 403,
    },
    { path: "/ingresses", json: { ...narrower, name: "red-2" }, status: 403 },
  ],
  "GET /ingresses/{id}": (theirs) => at(toIngress(theirs), (one) => `/ingresses/${one}`, 404),
  "PUT /ingresses/{id}": (theirs) => [
    ...at(toIngress(theirs), (one) => `/ingresses/${one}`, 404, mine),
    ...refused("/ingresses/red", narrower),
  ],
  "PATCH /ingresses/{id}": (theirs) => [
    ...at(toIngress(theirs), (one) => `/ingresses/${one}`, 404, { tags: { a: "b" } }),
    ...refused("/ingresses/red", { rules: narrower.rules }),
  ],
  "DELETE /ingresses/{id}": (theirs) => at(toIngress(theirs), (one) => `/ingresses/${one}`, 404),
  "GET /ingresses/{id}/status": (theirs) => at(toIngress(theirs), (one) => `/ingresses/${one}/status`, 404),
  "GET /ingresses/{id}/traffic": (theirs) => at(toIngress(theirs), (one) => `/ingresses/${one}/traffic`, 404),
  "POST /explain": () => [
    { path: "/explain", json: { url: "http://a.blue.test/" }, status: 200 },
    { path: "/explain", json: { url: "http://b.blue.test/" }, status: 200 },
    { path: "/explain", json: { url: "http://bule.red.test/", connect: true }, status: 200 },
  ],
  "GET /certificates": () => at(["/certificates"], (one) => one, 200),
  "POST /certificates": () => refused("/certificates", { certificate_pem: "x", key_pem: "x" }),
  "GET /certificates/{id}": (theirs) => at(toCertificate(theirs), (one) => `/certificates/${one}`, 404),
  "DELETE /certificates/{id}": (theirs) => at(toCertificate(theirs), (one) => `/certificates/${one}`, 403),
  "GET /tokens": () => refused("/tokens"),
  "POST /tokens": () => refused("/tokens", { name: "x", scopes: ["*"] }),
  "GET /tokens/{id}": ({ token }) => refused(`/tokens/${token}`),
  "DELETE /tokens/{id}": ({ token }) => refused(`/tokens/${token}`),
  "GET /status": () => at(["/status"], (one) => one, 200),
  "GET /config": ({ ingress }) => [
    ...at(["", "?hostname=a.blue.test", "?hostname=a.red.test&ingress=red"], (one) => `/config${one}`, 403),
    ...at([ingress, "blue"], (one) => `/config?ingress=${one}`, 404),
  ],
  "GET /doctor": () => refused("/doctor"),
  "GET /gateways": () => refused("/gateways"),
  "GET /metrics": () => refused("/metrics"),
  "GET /traffic": () => refused("/traffic"),
  "GET /caddy/log": () => refused("/caddy/log"),
  "GET /events": ({ ingress, instance }) =>
    at(
      ["", "&ingress=blue", `&ingress=${ingress}`, "&instance=blue", `&instance=${instance}`, "&limit=10000"],
      (one) => `/events?follow=false&since=0${one}`,
      200,
    ),
  "GET /instances": () => at(["", "?q=blue", "?name=blue"], (one) => `/instances${one}`, 200),
  "GET /instances/{id}": (theirs) => at(toInstance(theirs), (one) => `/instances/${one}`, 404),
  "PUT /instances/{id}": (theirs) =>
    at(toInstance(theirs), (one) => `/instances/${one}`, 403, { network: { ip: "10.0.0.9" } }),
  "DELETE /instances/{id}": (theirs) => at(toInstance(theirs), (one) => `/instances/${one}`, 403),
  "GET /instances/{id}/traffic": (theirs) =>
    at(toInstance(theirs), (one) => `/instances/${one}/traffic`, 404),
  "PUT /instances/{id}/traffic": (theirs) =>
    at(toInstance(theirs), (one) => `/instances/${one}/traffic`, 403, { mode: "drain" }),
  "POST /plan": (theirs) => [
    ...at(toIngress(theirs), () => "/plan", 404, { delete: { id: theirs.ingress } }),
    ...at(["blue", theirs.ingress], () => "/plan", 404, { replace: { id: "blue", ingress: mine } }),
    ...at(["?prune=all", "?prune=selected&owner=blue"], (one) => `/plan${one}`, 200, [mine]),
    { path: "/plan", json: [{ ...mine, id: theirs.ingress }], status: 200 },
    { path: "/plan", json: { create: document("bleu", "c.red.test") }, status: 200 },
    { path: "/plan", json: { create: document("red", "c.red.test", theirs.certificate) }, status: 200 },
  ],
  "POST /apply": ({ ingress }) => [
    { path: "/apply", json: [{ ...mine, id: ingress }], status: 409 },
    { path: "/apply", json: [narrower], status: 403 },
    { path: "/apply?prune=selected&owner=blue", json: [], status: 200 },
    { path: "/apply?prune=selected&tags[team]=blue", json: [], status: 200 },
  ],
  "GET /revisions": () => at(["/revisions", "/revisions?limit=1"], (one) => one, 200),
  "GET /revisions/{revision}": () => at(["/revisions/2"], (one) => one, 404),
  "POST /revisions/{revision}/rollback": () =>
    at(["/revisions/1/rollback", "/revisions/0/rollback?dry_run=true"], (one) => one, 403),
  "POST /export": () => refused("/export", {}),
  "POST /import": () => refused("/import", {}),
};

const stateOf = ({ manager, registry, tokens, certificates }: TestApi): string =>
  JSON.stringify([
    [...manager.list()].filter(({ owner }) => owner !== "red"),
    registry.list(),
    tokens.list(),
    certificates.report.known(),
  ]);

describe("a token with limits", () => {
  const operations = documentedOperations().filter(({ scopes }) => scopes.length > 0);

  it("has a row for each operation", () => {
    expect(Object.keys(attempts).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    );
  });

  it.each(operations)(
    "gets nothing of another's and changes nothing of it: $method $path",
    async ({ method, path }) => {
      await using own = await startTwoTeams();
      const { api, theirs } = own;
      const before = stateOf(api);
      for (const { path: target, status, headers, json } of attempts[`${method} ${path}`]?.(theirs) ?? []) {
        const body = json === undefined ? {} : { json };
        const reply: HttpReply = await api.call({
          method,
          path: target,
          headers: { ...red, ...headers },
          ...body,
        });
        expect([target, json, reply.status, reply.text]).toEqual([target, json, status, expect.anything()]);
        // What it sent itself may be said to it again.
        const sent = JSON.stringify([target, json]);
        const told = THEIRS.test(sent) ? withoutWords(reply.text, sent) : reply.text;
        expect([target, told]).toEqual([target, expect.not.stringMatching(THEIRS)]);
        for (const id of Object.values(theirs))
          if (!sent.includes(id))
            expect([target, reply.text]).toEqual([target, expect.not.stringContaining(id)]);
      }
      expect(stateOf(api)).toBe(before);
    },
  );
});

/** A text without the words of what was sent. */
function withoutWords(text: string, sent: string): string {
  const words = sent.match(/[\w.-]*blue[\w.-]*/gi) ?? [];
  return words
    .sort((one, other) => other.length - one.length)
    .reduce((left, word) => left.replaceAll(word, ""), text);
}
