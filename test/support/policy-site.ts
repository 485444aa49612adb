import { expect } from "vitest";
import type { Policies } from "../../src/model/api.ts";
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
  visit(name: string, path?: string, options?: VisitFrom): ReturnType<typeof visitFrom<Seen>>;
}

export async function startPolicySite(environment: NodeJS.ProcessEnv = {}): Promise<PolicySite> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend("web"));
  const gatewright = stack.use(await startGatewright(environment));
  await putInstance(gatewright.url, "web", backend.address);
  const owned = stack.move();
  return {
    gatewright,
    backend,
    async serve(name, policies, match = {}, more = {}) {
      const made = { ...rule(`${name}.test`, "web", backend.port, match), policies, ...more };
      const answer = await createIngress({ url: gatewright.url, name, rules: [made] });
      expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
    },
    visit: (name, path = "/", options = {}) =>
      visitFrom<Seen>(gatewright.ports.http, `${name}.test`, path, options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
