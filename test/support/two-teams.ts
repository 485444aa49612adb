import { expect } from "vitest";
import type { RunsSource } from "../../src/caddy/caddy-api.ts";
import type { Certificate, Ingress, Token } from "../../src/model/api.ts";
import { createTestAuthority } from "./acme/test-authority.ts";
import { startApi, type TestApi } from "./http-api.ts";
import { signToken } from "./sign-token.ts";

const secret = "secret-of-the-tests-of-isolation-0123456789";
export type Headers = { readonly [name: string]: string };
export const bearer = (claims: { readonly [claim: string]: unknown }): Headers => ({
  Authorization: `Bearer ${signToken(secret, claims)}`,
});
/** May do everything. */
export const root = bearer({ sub: "root" });
/** Has no subject, as VM managers: what it makes is nobody's. */
const nobody = bearer({});
/** A team, and another. */
export const red = bearer({ sub: "red", jti: "r1", limits: { hostnames: ["*.red.test"] } });
export const blue = bearer({ sub: "blue", jti: "b1", limits: { hostnames: ["*.blue.test"] } });

/** What there is that is not the caller's. */
export interface Theirs {
  readonly ingress: string;
  readonly certificate: string;
  readonly instance: string;
  readonly token: string;
}

export const document = (name: string, hostname: string, certificate?: string) => ({
  name,
  rules: [
    {
      match: { hostname },
      target: { instance: name, port: 80 },
      ...(certificate === undefined ? {} : { tls: true, tls_options: { certificate } }),
    },
  ],
});
/** Ids of ingresses. */
interface Ids {
  red: string;
  blue: string;
}

/** Caddy's part in memory: rows for `a.red.test` and `a.blue.test`, and of blue's one was looked at for all other hosts. */
const rehearsals = (ids: Ids) => ({
  explain: ({ host }: { readonly host: string }) => {
    const theirs = { id: `${ids.blue}/0`, ingress: "blue" };
    const certificate = { names: [host], issuer: "Blue CA", not_after: "2030-01-01T00:00:00Z" };
    const told = { table: "", served: true, steps: [], tls: { min_version: "1.2", certificate } };
    const considered = [{ ...theirs, host: "*.blue.test", why: "path" as const }];
    if (host === "a.blue.test") return Promise.resolve({ ...told, row: theirs, considered: [] });
    if (host === "a.red.test")
      return Promise.resolve({ ...told, row: { id: `${ids.red}/0`, ingress: "red" }, considered });
    return Promise.resolve({ ...told, cause: "path" as const, considered, considered_more: 3 });
  },
});

/** What runs has a row for whatever ingress is asked for. */
const runs: RunsSource = {
  config: () => Promise.resolve({}),
  running: () => Promise.resolve({ config: "c", table: "t", generation: 7, changes: 9 }),
  runs: async function* ({ ingress }) {
    yield [{ row: { id: `${ingress}/0` } }];
  },
};

/** An API of two teams, red and blue, each with an ingress, an instance and a certificate, and changes that root made to both. */
export interface TwoTeams extends AsyncDisposable {
  readonly api: TestApi;
  readonly theirs: Theirs;
}

export async function startTwoTeams(): Promise<TwoTeams> {
  const ids: Ids = { red: "", blue: "" };
  const api = await startApi({ secret, rehearsals: rehearsals(ids), runs });
  const send = async <T>(headers: Headers, method: string, path: string, json?: object): Promise<T> => {
    const reply = await api.call({ method, path, headers, ...(json === undefined ? {} : { json }) });
    expect(reply.status, reply.text).toBeLessThan(300);
    return reply.text === "" ? (undefined as T) : reply.json<T>();
  };
  const authority = await createTestAuthority();
  const importPair = async (name: string, names: readonly string[]): Promise<Certificate> => {
    const { certificate, key } = await authority.issue({ names: [...names] });
    const json = { name, certificate_pem: certificate, key_pem: key };
    return send<Certificate>(root, "POST", "/certificates", json);
  };
  for (const name of ["red", "blue"])
    await send(root, "PUT", `/instances/${name}`, { id: `${name}-instance`, network: { ip: "10.0.0.1" } });
  const certificate = await importPair("blue", ["a.blue.test"]);
  const shared = await importPair("red", ["a.red.test", "c.blue.test"]);
  ids.red = (await send<Ingress>(red, "POST", "/ingresses", document("red", "a.red.test", shared.id))).id;
  const theirs = document("blue", "a.blue.test", certificate.id);
  ids.blue = (await send<Ingress>(blue, "POST", "/ingresses", { ...theirs, tags: { team: "blue" } })).id;
  // Within red's hostnames.
  await send(nobody, "POST", "/ingresses", { ...document("blue", "free.red.test"), name: "blue-free" });
  await send(root, "POST", "/apply?message=about-blue", [
    { ...document("red", "a.red.test", shared.id), tags: { a: "b" } },
    { ...theirs, tags: { team: "blue", a: "b" } },
  ]);
  await api.call({ method: "DELETE", path: "/ingresses/blue-nobody", headers: blue });
  await send(root, "PUT", "/instances/blue", { id: "blue-instance", network: { ip: "10.0.0.2" } });
  await send(root, "PUT", "/instances/red", { id: "red-instance", network: { ip: "10.0.0.3" } });
  const { id: token } = await send<Token>(root, "POST", "/tokens", {
    name: "blue",
    scopes: ["*"],
    limits: {},
  });
  return {
    api,
    theirs: { ingress: ids.blue, certificate: certificate.id, instance: "blue-instance", token },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
