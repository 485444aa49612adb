import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Express } from "express";
import type { ExplainSource, RunsSource } from "../../src/caddy/caddy-api.ts";
import { LogTail } from "../../src/caddy/log-tail.ts";
import type { ImportedCertificates } from "../../src/certificates/imported-certificates.ts";
import { EventLog } from "../../src/events/event-log.ts";
import { Explainer } from "../../src/explain/explainer.ts";
import { type AppDependencies, createApp } from "../../src/http/app.ts";
import type { AuthOptions } from "../../src/http/auth.ts";
import type { CertificateParts } from "../../src/http/certificates.ts";
import { EventStreams } from "../../src/http/event-streams.ts";
import type { TrafficSource } from "../../src/http/ingress-traffic.ts";
import { defaultLimits, type HttpLimits } from "../../src/http/limits.ts";
import { createHttpServer } from "../../src/http/server.ts";
import type { TelemetryParts } from "../../src/http/telemetry.ts";
import type { IngressService } from "../../src/manager/ingress-service.ts";
import type { ManagerOptions } from "../../src/manager/manager.ts";
import type { Ingress, Instance } from "../../src/model/api.ts";
import type { EventDraft } from "../../src/model/event.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { StatusBoard } from "../../src/status/status-board.ts";
import { InstanceModes, type TrafficDocument } from "../../src/targets/instance-modes.ts";
import type { TrafficControl } from "../../src/targets/targets.ts";
import { type IdentityProvider, JwtVerifier } from "../../src/tokens/jwt.ts";
import type { StoredToken } from "../../src/tokens/stored-token.ts";
import { Tokens } from "../../src/tokens/tokens.ts";
import { openArchive } from "../../src/wiring/archive.ts";
import { type HttpCall, type HttpReply, httpCall } from "./http-call.ts";
import { type ManagerOverMemory, startManagerOverMemory } from "./manager-over-memory.ts";
import { memoryCertificates } from "./memory-certificates.ts";
import { MemoryStore } from "./memory-store.ts";
import { type RecordingLogger, recordingLogger } from "./recording-logger.ts";

/** The API on a socket of its own, over the real manager with a Caddy and stores in memory. */
export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly app: Express;
  readonly manager: IngressService;
  /** What is beneath the manager. */
  readonly world: ManagerOverMemory;
  readonly registry: InstanceRegistry;
  readonly logger: RecordingLogger;
  /** What has happened since the start. */
  readonly events: readonly EventDraft[];
  /** The same, as it is served. */
  readonly log: EventLog;
  readonly streams: EventStreams;
  readonly certificates: CertificateParts;
  readonly telemetry: TelemetryParts;
  readonly imported: ImportedCertificates;
  readonly tokens: Tokens;
  readonly jwts: JwtVerifier;
  readonly requests: TrafficSource;
  call(call: HttpCall): Promise<HttpReply>;
  /** The next change meets this failure when it is stored. */
  failNextChange(failure: unknown): void;
}

/** What a test wants otherwise. */
export interface TestApiOptions {
  readonly secret?: string;
  readonly previousSecret?: string;
  readonly provider?: IdentityProvider;
  /** Wrong tokens cost no wait. */
  readonly freeGuesses?: true;
  /** Longest time of a session. */
  readonly sessionMs?: number;
  readonly allowedHosts?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** True: instances come from elsewhere. */
  readonly readOnlyInstances?: boolean;
  /** Instances present from the start. */
  readonly instances?: readonly Instance[];
  /** Ingresses stored from the start. */
  readonly ingresses?: readonly Ingress[];
  /** What the manager is made with otherwise. */
  readonly manager?: Partial<Pick<ManagerOptions, "admission" | "certificates">>;
  /** How many events are kept. Default 10,000. */
  readonly capacity?: number;
  /** Default: no instance can be drained. */
  readonly traffic?: TrafficControl;
  /** Default: nothing is served. */
  readonly rehearsals?: ExplainSource;
  /** Default: nothing runs. */
  readonly runs?: RunsSource;
  /** Default: an empty one. */
  readonly caddyLog?: LogTail;
  /** Default: no ingress has had any requests. */
  readonly requests?: TrafficSource;
}

/** A Caddy without a port. */
const nothingServed: ExplainSource = {
  explain: () => Promise.resolve({ table: "", served: false, considered: [], steps: [] }),
};

const nothingRuns: RunsSource = {
  config: () => Promise.resolve({}),
  running: () => Promise.resolve({ config: "", table: "", generation: 0, changes: 0 }),
  runs: async function* () {},
};

const withoutWaits: Required<AuthOptions>["attempts"] = {
  check: () => undefined,
  succeeded: () => undefined,
  failed: (_client, _token, refusal) => refusal,
};

/** Starts the API on a free loopback port. */
export async function startApi(options: TestApiOptions = {}): Promise<TestApi> {
  const logger = recordingLogger();
  const told: EventDraft[] = [];
  const { capacity } = options;
  const folder = await mkdtemp(join(tmpdir(), "gatewright-events-"));
  const log = new EventLog({ folder, logger, ...(capacity === undefined ? {} : { capacity }) });
  await log.open();
  let hasStarted = false;
  const events = {
    emit: (event: EventDraft) => {
      if (!hasStarted) return;
      told.push(event);
      log.emit(event);
    },
  };
  const registry = new InstanceRegistry({
    store: new MemoryStore<Instance>(options.instances),
    events,
    logger,
  });
  await registry.start();
  const { ingresses = [] } = options;
  const { certificates, imported, telemetry, close } = memoryCertificates(logger, events);
  await imported.open();
  const world = await startManagerOverMemory({
    resolver: registry,
    events,
    logger,
    ingresses,
    certificates: imported,
    ...options.manager,
  });
  const manager = world.manager.ingresses;
  hasStarted = true;
  const { requests = { traffic: async () => ({}) } } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const streams = new EventStreams(limits);
  const tokens = new Tokens({ store: new MemoryStore<StoredToken>(), events, logger });
  await tokens.open();
  tokens.watchDeleted((id) => streams.cutThoseOf(id));
  const modes = new InstanceModes({ store: new MemoryStore<TrafficDocument>(), logger });
  await modes.start();
  const archived = {
    ingresses: manager,
    registry: options.readOnlyInstances === true ? undefined : registry,
    targets: { modes, traffic: modes },
    imported,
    tokens,
    ports: { httpPort: world.httpPort, httpsPort: 443 },
  };
  const settings = ["HTTP_PORT", "JWT_SECRET"];
  const archive = await openArchive(archived, { folder, settings, version: "1.2.3", logger });
  const jwts = new JwtVerifier(options);
  const dependencies: AppDependencies = {
    archive: { ...archive, settings: ["HTTP_PORT"] },
    doctor: async () => [
      { check: "settings", verdict: "ok", message: "the settings are valid; 0 ingresses are stored" },
      { check: "ports", verdict: "warning", message: "port 80 is held", remedy: "stop that" },
    ],
    gateways: async () => [
      {
        name: "edge-1",
        version: "1.2.3",
        started_at: new Date(0).toISOString(),
        revision: manager.revision,
        ready: true,
        answering: true,
      },
    ],
    manager,
    resolver: registry,
    ...(options.readOnlyInstances === true ? {} : { registry }),
    auth: {
      tokens,
      jwts,
      ...(options.freeGuesses === undefined ? {} : { attempts: withoutWaits }),
    },
    tokens,
    ...(options.sessionMs === undefined ? {} : { sessionMs: options.sessionMs }),
    ...(options.traffic === undefined ? {} : { traffic: options.traffic }),
    certificates,
    telemetry,
    requests,
    caddyLog: { tail: options.caddyLog ?? new LogTail(), streams },
    trafficHistory: { minutes: async () => [] },
    runs: options.runs ?? nothingRuns,
    explainer: new Explainer({
      caddy: options.rehearsals ?? nothingServed,
      ingresses: manager,
      wanted: world.manager.wanted,
      status: new StatusBoard({ contributors: [], rules: () => [] }),
      resolver: registry,
      ports: { http: 80, https: 443 },
    }),
    events,
    history: { log, streams },
    allowedHosts: options.allowedHosts ?? [],
    logger,
    version: "1.2.3",
    limits,
  };
  const app = createApp(dependencies);
  const server = createHttpServer(app, limits);
  const { port } = await server.listen("127.0.0.1", 0);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    app,
    manager,
    world,
    registry,
    logger,
    events: told,
    log,
    streams,
    certificates,
    telemetry,
    imported,
    tokens,
    jwts,
    requests,
    call: (call) => httpCall(url, call),
    failNextChange: (failure) => {
      world.store.beforeCommit = () => {
        world.store.beforeCommit = () => Promise.resolve();
        return Promise.reject(failure);
      };
    },
    [Symbol.asyncDispose]: async () => {
      streams.close();
      await server.close(100);
      await world[Symbol.asyncDispose]();
      await registry.close();
      await close();
      await tokens.close();
      await log.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
