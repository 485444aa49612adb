import type { Config } from "../../config.ts";
import { isGatewrightError } from "../../errors.ts";
import { type OwnListener, probe } from "../../manager/port-probe.ts";
import type { Finding, Ingress } from "../../model/api.ts";
import { eachInSlices } from "../../util/slices.ts";
import { ownListeners } from "../own-ports.ts";
import { ok, problem, someOf, warning } from "./finding.ts";
import { type HeldSocket, heldSockets, programName } from "./sockets.ts";

/** `what` is who wants it. */
interface Wanted extends OwnListener {
  /** Whether anything needs it now. */
  readonly isNeeded: boolean;
}

/** Whether the ports are free, or Gatewright's and Caddy's, whose processes are `ours`; else who has them. */
export async function portFindings(
  config: Config,
  ingresses: Iterable<Ingress>,
  ours: readonly number[],
): Promise<readonly Finding[]> {
  const held = await heldSockets();
  const wanted = await wantedPorts(config, ingresses);
  const findings: Finding[] = [];
  for (const one of wanted) findings.push(await look(one, held, ours));
  const bad = findings.filter(({ verdict }) => verdict !== "ok");
  return bad.length > 0
    ? someOf(bad)
    : [ok("ports", `ports: ${findings.map(({ message }) => message).join(", ")}`)];
}

async function wantedPorts(config: Config, ingresses: Iterable<Ingress>): Promise<readonly Wanted[]> {
  const { caddy } = config;
  const used = new Map<string, Wanted>();
  const want = (one: Wanted): void => {
    const key = `${one.network} ${one.port}`;
    if (used.get(key)?.isNeeded !== true) used.set(key, one);
  };
  // 0 is one that is chosen at the start.
  for (const one of ownListeners(config)) if (one.port !== 0) want({ ...one, isNeeded: true });
  const address = caddy.listenAddress;
  await eachInSlices(ingresses, ({ listen, name, rules }) => {
    for (const { match } of rules) {
      const network = match.protocol === "udp" ? "udp" : "tcp";
      const what = `ingress ${name}`;
      want({ what, network, address: listen?.[0] ?? address, port: match.port, isNeeded: true });
    }
  });
  want({ what: "HTTP (HTTP_PORT)", network: "tcp", address, port: caddy.httpPort, isNeeded: false });
  want({ what: "HTTPS (HTTPS_PORT)", network: "tcp", address, port: caddy.httpsPort, isNeeded: false });
  return [...used.values()];
}

async function look(wanted: Wanted, held: readonly HeldSocket[], ours: readonly number[]): Promise<Finding> {
  const { isNeeded, network, port, what } = wanted;
  const holders = held.filter((one) => one.network === network && one.port === port);
  if (holders.some(({ pids }) => pids.some((pid) => ours.includes(pid))))
    return ok("ports", `${port}/${network} is ours`);
  const refusal = await probe(wanted).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (refusal === undefined) return ok("ports", `${port}/${network} is free`);
  const tell = isNeeded ? problem : warning;
  if (!isGatewrightError(refusal, "port_in_use")) {
    const reason = isGatewrightError(refusal) ? refusal.message : String(refusal);
    return tell("ports", `${what}: ${reason}`, "see the message");
  }
  const who = [...new Set(holders.flatMap(({ pids }) => pids))].map((pid) => `${programName(pid)} (${pid})`);
  const by = who.length > 0 ? who.join(", ") : "another process, which only root can see";
  return tell(
    "ports",
    `${what}: ${network} port ${port} is held by ${by}`,
    "stop that, or choose another port",
  );
}
