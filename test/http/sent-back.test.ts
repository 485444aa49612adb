import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ApplyResult, Ingress } from "../../src/model/api.ts";
import { freePort } from "../support/free-port.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";

const folder = join(import.meta.dirname, "../golden");
const goldens = readdirSync(folder).map((file) => {
  const { ingresses } = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
    ingresses: readonly Ingress[];
  };
  return { file, ingresses };
});

function instancesOf(ingresses: readonly Ingress[]) {
  const targets = ingresses.flatMap(({ rules }) =>
    rules.flatMap(({ target, targets = [] }) => [...(target === undefined ? [] : [target]), ...targets]),
  );
  const names = targets.flatMap(({ instance = "{" }) => (instance.includes("{") ? [] : [instance]));
  return [...new Set(names)].map((name) => instanceFrom({ name }));
}

/** The documents for this machine: free ports, and loopback addresses to listen on. */
async function livable(ingresses: readonly Ingress[]): Promise<readonly Ingress[]> {
  const ports = new Map<number, number>();
  for (const { rules } of ingresses)
    for (const { match } of rules) if (!ports.has(match.port)) ports.set(match.port, await freePort());
  return ingresses.map((ingress) => ({
    ...ingress,
    ...(ingress.listen === undefined
      ? {}
      : { listen: ingress.listen.map((one) => (one.includes(":") ? "::1" : "127.0.0.1")) }),
    rules: ingress.rules.map((rule) => ({
      ...rule,
      match: { ...rule.match, port: ports.get(rule.match.port) ?? 0 },
    })),
  }));
}

/** An API to which all golden documents are allowed. */
async function api(ingresses: readonly Ingress[]): Promise<TestApi> {
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const facts = { names: ["*"], issuer: "", serial: "", notBefore: new Date(0), notAfter: new Date(0) };
  const find = (id: string) => ({ id, createdAt: "", updatedAt: "", digest: id, facts });
  return startApi({
    instances: instancesOf(ingresses),
    manager: {
      admission: {
        ports: { httpPort, httpsPort },
        tls: { acmeConfigured: true, dnsChallenge: true, allowedDomains: ["*"] },
        guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
        canWake: true,
      },
      certificates: { find, digests: () => new Map() },
    },
  });
}

const applied = async (to: TestApi, json: readonly Ingress[]): Promise<ApplyResult> => {
  const answer = await to.call({ method: "POST", path: "/apply", json });
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json<ApplyResult>();
};
const listed = async (from: TestApi) => (await from.call({ path: "/ingresses" })).json<readonly Ingress[]>();

describe.each(goldens.filter(({ ingresses }) => ingresses.length > 0))(
  "the documents of $file",
  ({ ingresses }) => {
    it("can be sent back as GET answers them", async () => {
      const wanted = await livable(ingresses);
      await using from = await api(wanted);
      await applied(from, wanted);
      const documents = await listed(from);
      expect(documents.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id).sort());
      expect(await applied(from, documents)).toMatchObject({ unchanged: documents.length, revision: 1 });
      await using to = await api(wanted);
      await applied(to, documents);
      const untimed = (all: readonly Ingress[]) => all.map(({ updated_at: _, ...rest }) => rest);
      expect(untimed(await listed(to))).toEqual(untimed(documents));
      for (const document of documents) {
        const path = `/ingresses/${document.id}`;
        const replaced = await to.call({ method: "PUT", path, json: document });
        expect(untimed([replaced.json<Ingress>()])).toEqual(untimed([document]));
        await to.call({ method: "DELETE", path });
        const made = await to.call({ method: "POST", path: "/ingresses", json: document });
        const { id, created_at, updated_at, owner, ...rest } = document;
        expect([made.status, made.json()]).toMatchObject([201, rest]);
        expect(made.json()["id"]).not.toBe(id);
      }
    });
  },
);
