import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CreateIngressRequest, Ingress, IngressStatus } from "../../../src/model/api.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { call } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { openLines, openTlsLines, startLineServer } from "../../support/streams.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/layer4.md"), "utf8");
const examples = new Map(
  [...page.matchAll(/^```json example=(\w+)\n(.*?)^```/gms)].map(([, name = "", text = ""]) => [
    name,
    JSON.parse(text) as CreateIngressRequest,
  ]),
);

const authority = use(createTestAuthority);
const gatewright = useGatewright(
  { GATEWAY_NAME: "edge-1", TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" },
  ["mail-1", "dns-1", "jump"],
);

/** The example with listen ports, and where the test has servers target ports, of this machine. */
async function onFreePorts(document: CreateIngressRequest, targets: ReadonlyMap<string, number> = new Map()) {
  const ports = new Map<number, number>();
  const rules = [];
  for (const rule of document.rules) {
    const wanted = rule.match.port ?? 0;
    const port = ports.get(wanted) ?? (await freePort());
    ports.set(wanted, port);
    const target = targets.get(rule.target?.service ?? "") ?? rule.target?.port;
    rules.push({ ...rule, match: { ...rule.match, port }, target: { ...rule.target, port: target } });
  }
  return { document: { ...document, rules }, ports };
}

describe("docs/layer4.md", () => {
  it("has examples", () => {
    expect([...examples.keys()]).toEqual(["passthrough", "ended", "ports", "listen", "openshift"]);
  });

  it.each(["passthrough", "ended", "ports", "listen"])("has an example that is taken: %s", async (name) => {
    const { document } = await onFreePorts(examples.get(name) as CreateIngressRequest);
    const created = await call<Ingress>(`${gatewright.url}/ingresses`, { body: document });
    expect(created.status, created.text).toBe(201);
    const status = await call<IngressStatus>(`${gatewright.url}/ingresses/${created.body.id}/status`);
    expect(status.body.conditions.find(({ type }) => type === "Programmed")).toMatchObject({
      status: "True",
    });
  });

  it("serves an OpenShift control plane", async () => {
    const names = ["api", "api-int"].map((host) => `${host}.cluster.example.com`);
    const start = async (name: string, hosts: readonly string[] | undefined) => {
      if (hosts === undefined) return startLineServer(name);
      const { certificate: cert, key } = await authority.issue({ names: hosts });
      return startLineServer(name, { tls: { cert, key } });
    };
    await using api = await start("kube-apiserver", names);
    await using oauth = await start("oauth", ["oauth.cluster.example.com"]);
    await using ignition = await start("ignition", names.slice(1));
    await using konnectivity = await start("konnectivity", undefined);
    const servers = { "kube-apiserver": api, oauth, ignition, konnectivity };
    const targets = new Map(Object.entries(servers).map(([name, { port }]) => [name, port]));
    for (const service of targets.keys()) await gatewright.put(`cp-${service}`, "127.0.0.1", { service });
    const { document, ports } = await onFreePorts(examples.get("openshift") as CreateIngressRequest, targets);
    const created = await call<Ingress>(`${gatewright.url}/ingresses`, { body: document });
    expect(created.status, created.text).toBe(201);
    const ask = async (host: string, port: number): Promise<string> => {
      using client = await openTlsLines({ port: ports.get(port) ?? 0, servername: host, ca: authority.pem });
      return await client.ask("hello");
    };
    expect(await ask("api.cluster.example.com", 6443)).toBe("kube-apiserver hello");
    expect(await ask("api-int.cluster.example.com", 6443)).toBe("kube-apiserver hello");
    expect(await ask("oauth.cluster.example.com", 6443)).toBe("oauth hello");
    expect(await ask("api-int.cluster.example.com", 22623)).toBe("ignition hello");
    using tunnel = await openLines(ports.get(8132) ?? 0);
    expect(await tunnel.ask("hello")).toBe("konnectivity hello");
    await until(async () => {
      const { body } = await call<IngressStatus>(`${gatewright.url}/ingresses/${created.body.id}/status`);
      const conditions = Object.fromEntries(body.conditions.map(({ type, status }) => [type, status]));
      expect(conditions).toMatchObject({ Accepted: "True", Programmed: "True", TargetsReachable: "True" });
      expect(body.rules.map(({ targets: [target] }) => target?.addresses.length)).toEqual([1, 1, 1, 1, 1]);
      // The API server's addresses are checked by connections.
      return (
        body.rules[0]?.targets[0]?.addresses[0]?.health === "healthy" &&
        conditions["TargetsResolved"] === "True"
      );
    });
  });
});
