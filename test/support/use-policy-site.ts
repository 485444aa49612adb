import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import type { Policies } from "../../src/model/api.ts";
import { rule } from "./api.ts";
import { type Backend, type Seen, startBackend } from "./backend.ts";
import { use } from "./use.ts";
import { type Site, useGatewright } from "./use-gatewright.ts";
import { type VisitFrom, visitFrom } from "./visit-from.ts";

/** A Gatewright with one echoing instance `web`, and ingresses named after their host. */
export interface PolicySite {
  readonly gatewright: Site;
  readonly backend: Backend;
  /** Creates an ingress of one rule for `<name>.test` with these policies; `more` are other keys of the rule. */
  serve(name: string, policies: Policies, match?: object, more?: object): Promise<void>;
  /** As `serve`, for another port of the instance. */
  servePort(name: string, port: number, more: object): Promise<void>;
  /** Starts a server at the instance's address; it ends with the site. Resolves with its port. */
  listen(server: Server): Promise<number>;
  visit(name: string, path?: string, options?: VisitFrom): ReturnType<typeof visitFrom<Seen>>;
}

/** One for the tests of a file. */
export function usePolicySite(settings: Parameters<typeof useGatewright>[0] = {}): PolicySite {
  const backend = use(() => startBackend("web"));
  const servers = use(() => new Servers());
  const gatewright = useGatewright(settings, ["web"]);
  return {
    gatewright,
    backend,
    serve: async (name, policies, match = {}, more = {}) => {
      const made = { ...rule(`${name}.test`, "web", backend.port, match), policies, ...more };
      await gatewright.make(name, made);
    },
    servePort: async (name, port, more) => {
      await gatewright.make(name, rule(`${name}.test`, "web", port, {}, more));
    },
    listen: (server) => servers.listen(server, backend.address),
    visit: (name, path = "/", options = {}) =>
      visitFrom<Seen>(gatewright.ports.http, `${name}.test`, path, options),
  };
}

class Servers implements Disposable {
  readonly #servers: Server[] = [];

  async listen(server: Server, address: string): Promise<number> {
    this.#servers.push(server);
    server.listen(0, address);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close();
  }
}
