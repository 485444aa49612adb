import { expect } from "vitest";
import type { Ingress, IngressRuleInput, IngressStatus } from "../../src/model/api.ts";
import { type Answer, type Call, call, createIngress, putInstance, visit } from "./api.ts";
import { type Gatewright, startGatewright } from "./gatewright.ts";
import { use } from "./use.ts";

/** A Gatewright, and what tests most often ask of it. */
export interface Site extends Gatewright {
  /** Asks for an ingress; the answer may be a refusal. */
  create(name: string, ...rules: readonly IngressRuleInput[]): Promise<Answer<Ingress>>;
  /** Creates an ingress; fails the test where it is refused. */
  make(name: string, ...rules: readonly IngressRuleInput[]): Promise<Ingress>;
  /** Registers a running instance. */
  put(name: string, ip: string | null, more?: object): Promise<Answer>;
  /** Status of an ingress by id or name. */
  statusOf(ingress: string): Promise<IngressStatus>;
  /** A request through Caddy's HTTP_PORT to a host that only the Host header names. */
  visit<Body = unknown>(host: string, path?: string, options?: Call): Promise<Answer<Body>>;
  /** As `visit`, for the status alone; where there is no answer, the code of the error. */
  reach(host: string, port?: number): Promise<number | string>;
}

type Settings = NodeJS.ProcessEnv;

/**
 * A Gatewright for the tests of a file, or of a `describe`: see `use`. Settings that are known only when the tests run
 * are given by a function; `instances` are registered at 127.0.0.1.
 */
export function useGatewright(
  settings: Settings | (() => Settings | Promise<Settings>) = {},
  instances: readonly string[] = [],
): Site {
  return use(async () => {
    const site = asSite(await startGatewright(typeof settings === "function" ? await settings() : settings));
    for (const name of instances) await site.put(name, "127.0.0.1");
    return site;
  });
}

/** Adds to a Gatewright what tests most often ask of it. */
export function asSite(gatewright: Gatewright): Site {
  const { url, ports } = gatewright;
  const create: Site["create"] = (name, ...rules) => createIngress({ url, name, rules });
  return {
    ...gatewright,
    create,
    make: async (name, ...rules) => {
      const { status, text, body } = await create(name, ...rules);
      expect([status, text], `creating the ingress ${name}`).toEqual([201, expect.any(String)]);
      return body;
    },
    put: (name, ip, more) => putInstance(url, name, ip, more),
    statusOf: async (ingress) => (await call<IngressStatus>(`${url}/ingresses/${ingress}/status`)).body,
    visit: (host, path, options) => visit(ports.http, host, path, options),
    reach: (host, port = ports.http) =>
      visit(port, host).then(
        ({ status }) => status,
        (error: NodeJS.ErrnoException) => error.code ?? "error",
      ),
  };
}
