import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { expect } from "vitest";
import type { IngressRuleInput, Policies } from "../../src/model/api.ts";
import { createIngress, putInstance, rule } from "./api.ts";
import { type Backend, type Seen, startBackend } from "./backend.ts";
import { type Gatewright, startGatewright } from "./gatewright.ts";
import { type VisitFrom, visitFrom } from "./visit-from.ts";

/** A Gatewright with one echoing instance `web`, and ingresses named after their host. */
export interface PolicySite extends AsyncDisposable {
  readonly gatewright: Gatewright;
  readonly backend: Backend;
  /** Creates an ingress of one rule for `<name>.test` with these policies; `more` are other keys of the rule. */
  serve(name: string, policies: Policies, match?: object, more?: object): Promise<void>;
  /** As `serve`, for another port of the instance. */
  servePort(name: string, port: number, more: object): Promise<void>;
  /** Starts a server at the instance's address; it ends with the site. Resolves with its port. */
  listen(server: Server): Promise<number>;
  visit(name: string, path?: string, options?: VisitFrom): ReturnType<typeof visitFrom<Seen>>;
}

export async function startPolicySite(environment: NodeJS.ProcessEnv = {}): Promise<PolicySite> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend("web"));
  const gatewright = stack.use(await startGatewright(environment));
  await putInstance(gatewright.url, "web", backend.address);
  const servers: Server[] = [];
  stack.defer(() => {
    for (const server of servers) server.close();
  });
  const owned = stack.move();
  async function create(name: string, made: IngressRuleInput): Promise<void> {
    const answer = await createIngress({ url: gatewright.url, name, rules: [made] });
    expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  }
  return {
    gatewright,
    backend,
    serve: (name, policies, match = {}, more = {}) =>
      create(name, { ...rule(`${name}.test`, "web", backend.port, match), policies, ...more }),
    servePort: (name, port, more) => create(name, rule(`${name}.test`, "web", port, {}, more)),
    async listen(server) {
      server.listen(0, backend.address);
      await once(server, "listening");
      servers.push(server);
      return (server.address() as AddressInfo).port;
    },
    visit: (name, path = "/", options = {}) =>
      visitFrom<Seen>(gatewright.ports.http, `${name}.test`, path, options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
