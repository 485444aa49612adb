import { freePort } from "../../test/support/free-port.ts";
import { mustSucceed } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import type { Bench, Row } from "../row.ts";
import type { Site } from "../site.ts";
import { failuresMet, watchedSecurely } from "./secure-clients.ts";
import { openTls, untilSigned } from "./tls-create.ts";

const ROW = "tls-churn";
const CLIENTS = 4;
const HOSTS = 100;

/** Whether changes of other TLS hosts disturb who is connected over TLS. */
export const tlsChurn: Row = {
  key: ROW,
  about: "failed HTTPS requests and secure WebSockets during changes of TLS hosts, policies and ports",
  once: true,
  quick: false,
  async measure(bench): Promise<readonly Measurement[]> {
    await using site = await openTls(bench, HOSTS);
    await untilSigned(site);
    const count = bench.options.quick ? 100 : 1000;
    const few = bench.options.quick ? 5 : 50;
    const hosts = await watchedSecurely(bench, site, () => changeHosts(bench, site, count));
    const policies = await watchedSecurely(bench, site, () => changeOne(site, few, policiesOf));
    const ports = await watchedSecurely(bench, site, () => changeOne(site, few, portOf));
    return [
      ...failuresMet(ROW, `${count} creates, updates and deletes of TLS hosts`, HOSTS, hosts),
      ...failuresMet(ROW, `${few} changes of policies`, HOSTS, policies),
      ...failuresMet(ROW, `${few} changes of ports`, HOSTS, ports),
    ];
  },
};

const ruleOf = (bench: Bench, site: Site, hostname: string): object => ({
  match: { hostname, port: site.httpPort },
  target: { instance: "vm-0", port: bench.backendPort },
  tls: true,
});

/** Each host has a certificate of its own; the update gives it another name, and so another certificate. */
async function changeHosts(bench: Bench, site: Site, count: number): Promise<void> {
  const bodyFor = (domain: string) =>
    JSON.stringify({ name: "tls-%d", rules: [ruleOf(bench, site, `c%d.${domain}`)] });
  const common = {
    target: `127.0.0.1:${site.gatewright.ports.api}`,
    count,
    clients: CLIENTS,
  };
  const create = { ...common, method: "POST", path: "/ingresses", body: bodyFor("created.test") };
  mustSucceed(await bench.load.run("rest", create));
  const update = { ...common, method: "PUT", path: "/ingresses/tls-%d", body: bodyFor("updated.test") };
  mustSucceed(await bench.load.run("rest", update));
  mustSucceed(await bench.load.run("rest", { ...common, method: "DELETE", path: "/ingresses/tls-%d" }));
}

const policiesOf = (round: number): Promise<object> =>
  Promise.resolve({ policies: { headers: { response: { set: { "X-Round": String(round) } } } } });

const portOf = async (): Promise<object> => ({
  match: { hostname: "changing.test", port: await freePort() },
});

/** Changes one ingress again and again, one change after another. */
async function changeOne(
  site: Site,
  times: number,
  partOf: (round: number) => Promise<object>,
): Promise<void> {
  const path = "/ingresses/changing";
  for (let round = 0; round < times; round++) {
    const rule = {
      match: { hostname: "changing.test", port: site.httpPort },
      target: { instance: "vm-0", port: 1 },
      tls: true,
      ...(await partOf(round)),
    };
    const body = JSON.stringify({ name: "changing", rules: [rule] });
    await site.api.succeed(
      round === 0 ? { method: "POST", path: "/ingresses", body } : { method: "PUT", path, body },
    );
  }
  await site.api.succeed({ method: "DELETE", path });
}
