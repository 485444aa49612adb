import type { AdminClient } from "../caddy/admin-client.ts";
import { type Config, caddysSocket } from "../config.ts";
import type { DnsServer } from "../dns/server.ts";
import type { EventLog } from "../events/event-log.ts";
import { Explainer } from "../explain/explainer.ts";
import { createApp } from "../http/app.ts";
import type { Door } from "../http/door.ts";
import { EventStreams } from "../http/event-streams.ts";
import { defaultLimits } from "../http/limits.ts";
import { createHttpServer, type HttpServer } from "../http/server.ts";
import { startingApp } from "../http/starting.ts";
import type { SocketPlace } from "../http/unix-socket.ts";
import type { Logger } from "../log.ts";
import type { Readiness } from "../manager/ingress-manager.ts";
import type { RunningManager } from "../manager/manager.ts";
import { targetsReachable, withConnections } from "../status/layer4.ts";
import { StatusBoard } from "../status/status-board.ts";
import { storeId } from "../store/store-id.ts";
import { targetsResolved } from "../targets/target-report.ts";
import type { Targets } from "../targets/targets.ts";
import type { ControlMetrics } from "../telemetry/control-metrics.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";
import { GATHER_EVERY_MS, TrafficHistory } from "../telemetry/traffic-history.ts";
import type { JwtVerifier } from "../tokens/jwt.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Archive } from "./archive.ts";
import type { Caddy } from "./caddy.ts";
import type { Certificates } from "./certificates.ts";
import { ownDoctor } from "./doctor/own-doctor.ts";
import type { Gateways } from "./gateways.ts";
import type { Instances } from "./instances.ts";
import type { LiveConfig } from "./reload.ts";
import { setFolder } from "./set-folder.ts";
import type { SharedStore } from "./shared-store.ts";
import { createTelemetry } from "./telemetry.ts";

/** What the API is made of. */
export interface ApiParts {
  readonly caddy: Pick<Caddy, "api" | "draining" | "log">;
  readonly manager: RunningManager;
  readonly instances: Instances;
  readonly dns: DnsServer;
  readonly targets: Targets;
  readonly certificates: Certificates;
  readonly tokens: Tokens;
  readonly jwts: JwtVerifier;
  readonly archive: Archive;
  readonly shared: SharedStore | undefined;
  readonly gateways: Gateways;
  readonly live: LiveConfig;
  readonly metrics: Pick<ControlMetrics, "registry">;
  readonly events: EventLog;
  readonly otlp: Otlp | undefined;
  readonly logger: Logger;
  readonly version: string;
}

/** The API's listener, from the first moment of the start on. */
export interface Api {
  /** Answers calls from here on; before it says that Gatewright is starting. */
  serve(config: Config, parts: ApiParts): Promise<void>;
  close(): Promise<void>;
}

/** Throws `address_in_use` or `address_unavailable`. */
export async function listenForCalls(config: Config): Promise<Api> {
  let app = startingApp;
  let streams: EventStreams | undefined;
  const servers: HttpServer[] = [];
  const closeAll = async (): Promise<void> =>
    void (await Promise.all(servers.map((server) => server.close())));
  for (const { door, listen } of placesOf(config)) {
    const server = createHttpServer((request, response) => app(request, response), defaultLimits, door);
    try {
      await listen(server);
    } catch (error) {
      await closeAll();
      throw error;
    }
    servers.push(server);
  }
  return {
    serve: async (config, parts) => {
      const opened = new EventStreams(defaultLimits);
      parts.tokens.watchDeleted((id) => opened.cutThoseOf(id));
      parts.jwts.watchRevoked(() => opened.cutAll());
      streams = opened;
      app = await appOf(config, parts, streams);
    },
    close: () => {
      streams?.close();
      return closeAll();
    },
  };
}

/** Where the API listens. Each has a server of its own: a flood at one leaves the others their connections. */
interface Place {
  readonly door: Door;
  readonly listen: (server: HttpServer) => Promise<unknown>;
}

function placesOf({ api, dataDir }: Config): readonly Place[] {
  const { addresses, hostname, port, socketGroup: group, sockets } = api;
  const socket = (door: Door, place: SocketPlace): Place => ({
    door,
    listen: (server) => server.listenAt(place),
  });
  return [
    ...addresses.map((address): Place => ({ door: "tcp", listen: (server) => server.listen(address, port) })),
    ...sockets.map((path) => socket("socket", { path, ...(group === undefined ? {} : { group }) })),
    ...(hostname === undefined ? [] : [socket("caddy", { path: caddysSocket(dataDir) })]),
  ];
}

/** Why no change can be made now; what is known is served meanwhile. */
function absenceOf(shared: SharedStore | undefined): readonly string[] {
  const absence = shared?.absence();
  if (absence === undefined) return [];
  return [`etcd is not followed since ${absence.since}, and changes are refused: ${absence.reason}`];
}

async function appOf(
  config: Config,
  parts: ApiParts,
  streams: EventStreams,
): Promise<ReturnType<typeof createApp>> {
  const { archive, certificates, dns, events, instances, logger, manager, metrics, otlp } = parts;
  const { targets, tokens, version } = parts;
  const { api: caddy, draining, log: tail } = parts.caddy;
  const readiness = (): Readiness => {
    const { ready, reasons } = manager.ingresses.ready();
    return {
      ready,
      reasons: [
        ...reasons,
        ...certificates.apiReasons(),
        ...certificates.unserved.reasons(),
        ...absenceOf(parts.shared),
        ...(parts.shared?.upkeep.problems() ?? []),
        ...parts.gateways.reasons(),
      ],
    };
  };
  const status = new StatusBoard({
    contributors: [...manager.conditions, targetsResolved, targetsReachable, certificates.condition],
    rules: withConnections(targets.report, () => caddy.layer4()),
  });
  parts.gateways.answerWith(status);
  const telemetry = createTelemetry({
    api: caddy,
    manager,
    readiness,
    certificates,
    instances,
    dns,
    draining,
    named: config.telemetry.named,
    registry: metrics.registry,
    otlp,
    shared: parts.shared,
    logger: logger.child("telemetry"),
    version,
  });
  const { ingresses } = manager;
  const doctor = ownDoctor({
    settings: () => parts.live.config,
    ingresses,
    tokens,
    readiness,
    status: telemetry.status,
  });
  return createApp({
    doctor,
    manager: ingresses,
    storeId: await storeId(setFolder(config, "ingresses")),
    readiness,
    resolver: instances.resolver,
    status,
    requests: caddy,
    trafficHistory: trafficHistoryOf(caddy),
    caddyLog: { tail, streams },
    runs: caddy,
    explainer: new Explainer({
      caddy,
      ingresses: manager.ingresses,
      wanted: manager.wanted,
      status,
      resolver: instances.resolver,
      ports: { http: config.caddy.httpPort, https: config.caddy.httpsPort },
    }),
    gateways: () => parts.gateways.list(),
    settled: (limitMs) => parts.gateways.settled(limitMs),
    statusElsewhere: (ingress) => parts.gateways.statusOf(ingress),
    traffic: targets.traffic,
    certificates,
    telemetry,
    ...(instances.registry === undefined ? {} : { registry: instances.registry }),
    events,
    history: { log: events, streams },
    archive: { ...archive, settings: Object.keys(config.given) },
    auth: { jwts: parts.jwts, tokens },
    tokens,
    sessionMs: config.api.sessionDuration.ms,
    allowedHosts: [
      ...config.api.addresses,
      ...(config.api.hostname === undefined ? [] : [config.api.hostname.name]),
      ...config.api.allowedHosts,
    ],
    logger,
    version,
  });
}

/** Asked now and then, so that the hour is whole when somebody looks. */
function trafficHistoryOf(caddy: Pick<AdminClient, "trafficMinutes">): TrafficHistory {
  const history = new TrafficHistory(caddy);
  setInterval(() => void history.gather().catch(() => undefined), GATHER_EVERY_MS).unref();
  return history;
}
