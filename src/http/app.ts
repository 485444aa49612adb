import express, { type Express, type RequestHandler } from "express";
import type { RunsSource } from "../caddy/caddy-api.ts";
import type { Explainer } from "../explain/explainer.ts";
import type { Logger } from "../log.ts";
import type { IngressManager, Readiness } from "../manager/ingress-manager.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { StatusBoard } from "../status/status-board.ts";
import type { TrafficControl } from "../targets/targets.ts";
import { type ArchiveParts, archiveRoutes } from "./archive.ts";
import { Attempts } from "./attempts.ts";
import { type AuthOptions, isOpen } from "./auth.ts";
import { type CaddyLogParts, caddyLogRoutes } from "./caddy-log.ts";
import { type CertificateParts, certificateRoutes } from "./certificates.ts";
import { ChangeGate } from "./change-gate.ts";
import { changeRoutes } from "./changes.ts";
import { configRoutes } from "./config.ts";
import { dashboardRoutes } from "./dashboard.ts";
import { type DoctorSource, doctorRoutes } from "./doctor.ts";
import { errorHandler, notFound } from "./error-handler.ts";
import { type EventParts, eventRoutes } from "./events.ts";
import { explainRoutes } from "./explain.ts";
import { type GatewaySource, gatewayRoutes } from "./gateways.ts";
import { hostGuard } from "./host-guard.ts";
import {
  ingressTrafficRoutes,
  type TrafficHistorySource,
  type TrafficSource,
  trafficHistoryRoutes,
} from "./ingress-traffic.ts";
import { ingressRoutes } from "./ingresses.ts";
import { instanceRoutes, type WritableRegistry } from "./instances.ts";
import { defaultLimits, type HttpLimits } from "./limits.ts";
import { countAndLog, traceRequests } from "./observe.ts";
import { RefusedChanges } from "./refused-changes.ts";
import { revisionRoutes } from "./revisions.ts";
import { documentRoutes, probeRoutes } from "./server-routes.ts";
import { sessionRoutes } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { type StatusElsewhere, statusRoutes } from "./status.ts";
import { type TelemetryParts, telemetryRoutes } from "./telemetry.ts";
import { type TokenParts, tokenRoutes } from "./tokens.ts";
import { trafficRoutes } from "./traffic.ts";
import type { Settle } from "./waiting.ts";

/** What the API is made of. */
export interface AppDependencies {
  readonly manager: IngressManager;
  /** Tells the store of the ingresses from others, for those who follow this Gatewright. Default: nothing does. */
  readonly storeId?: string;
  readonly resolver: InstanceResolver;
  /** Absent: instances come from another source and are read-only here. */
  readonly registry?: WritableRegistry;
  /** Default: one that knows no conditions. */
  readonly status?: Pick<StatusBoard, "statusOf">;
  /** Absent: no `/ingresses/{id}/traffic`. */
  readonly requests?: TrafficSource;
  /** Absent: no `/traffic`. */
  readonly trafficHistory?: TrafficHistorySource;
  /** Absent: every instance is active, and cannot be otherwise. */
  readonly traffic?: TrafficControl;
  /** Absent: no `/caddy/log`. */
  readonly caddyLog?: CaddyLogParts;
  /** What runs. Absent: no `/config`. */
  readonly runs?: RunsSource;
  /** Absent: no `/explain`. */
  readonly explainer?: Pick<Explainer, "explain">;
  /** Absent: no `/certificates`. */
  readonly certificates?: CertificateParts;
  /** Absent: no `/status` and `/metrics`. */
  readonly telemetry?: TelemetryParts;
  /** Absent: no `/export` and `/import`. */
  readonly archive?: ArchiveParts;
  readonly auth: AuthOptions;
  /** Absent: no `/tokens`. */
  readonly tokens?: TokenParts;
  /** Longest time of a session. Default: 12 hours. */
  readonly sessionMs?: number;
  /** Hosts beside localhost and loopback addresses that an open API answers to: listen address, API_ALLOWED_HOSTS. */
  readonly allowedHosts?: readonly string[];
  /** Whether the whole process serves. Default: the manager's own word. */
  readonly readiness?: () => Readiness;
  /** Absent: no `/doctor`. */
  readonly doctor?: DoctorSource;
  /** Absent: no `/gateways`. */
  readonly gateways?: GatewaySource;
  /** What `?wait=all` waits for. Default: there is no other gateway. */
  readonly settled?: Settle;
  /** See `statusRoutes`. */
  readonly statusElsewhere?: StatusElsewhere;
  /** Absent: no `/events`. */
  readonly history?: EventParts;
  /** Hears of changes that are refused. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
  /** Gatewright's version, shown in /openapi.json. */
  readonly version: string;
  /** Default: `defaultLimits`. */
  readonly limits?: Pick<HttpLimits, "bodyBytes">;
}

const allActive: TrafficControl = {
  get: () => ({ mode: "active" }),
  has: () => false,
  set: () => Promise.reject(new Error("instances cannot be drained here")),
};

const noConditions = new StatusBoard({ contributors: [], rules: () => [] });

/** Makes the REST API. Listens to nothing by itself. */
export function createApp(dependencies: AppDependencies): Express {
  const { archive, events = noEvents, manager, logger, limits = defaultLimits } = dependencies;
  const refused = new RefusedChanges(events);
  const sessions = sessionsOf(dependencies);
  const auth = { attempts: attemptsOf(dependencies), sessions, ...dependencies.auth };
  const context = {
    auth,
    maxBodyBytes: limits.bodyBytes,
    refused,
    gate: new ChangeGate(),
    settled: dependencies.settled,
  };
  const app = express();
  // Answers carry their own ETags; everything else about a query is read in query.ts.
  app.disable("x-powered-by").disable("etag").set("query parser", false);
  app.enable("strict routing").enable("case sensitive routing");
  app.use(commonHeaders, countAndLog(logger, dependencies.telemetry));
  app.use(probeRoutes(dependencies.readiness ?? (() => manager.ready())));
  if (dependencies.telemetry !== undefined) app.use(traceRequests(dependencies.telemetry.tracing));
  if (isOpen(auth)) app.use(hostGuard(dependencies.allowedHosts ?? []));
  app.use(documentRoutes(dependencies.version), dashboardRoutes());
  app.use(sessionRoutes(sessions, context));
  app.use(ingressRoutes(manager, context, dependencies.storeId));
  const { requests } = dependencies;
  app.use(changeRoutes(manager, context, requests), revisionRoutes(manager, context, requests));
  const { status = noConditions, statusElsewhere } = dependencies;
  app.use(statusRoutes(manager, { board: status, elsewhere: statusElsewhere }, context));
  if (dependencies.requests !== undefined)
    app.use(ingressTrafficRoutes(manager, dependencies.requests, context));
  if (dependencies.trafficHistory !== undefined)
    app.use(trafficHistoryRoutes(dependencies.trafficHistory, context));
  if (dependencies.caddyLog !== undefined) app.use(caddyLogRoutes(dependencies.caddyLog, context));
  if (dependencies.runs !== undefined) app.use(configRoutes(dependencies.runs, manager, context));
  if (dependencies.explainer !== undefined) app.use(explainRoutes(dependencies.explainer, manager, context));
  app.use(instanceRoutes(dependencies, context));
  app.use(trafficRoutes(dependencies, dependencies.traffic ?? allActive, context));
  if (dependencies.certificates !== undefined)
    app.use(certificateRoutes(dependencies.certificates, manager, context));
  if (dependencies.tokens !== undefined) app.use(tokenRoutes(dependencies.tokens, context));
  if (dependencies.doctor !== undefined) app.use(doctorRoutes(dependencies.doctor, context));
  if (dependencies.gateways !== undefined) app.use(gatewayRoutes(dependencies.gateways, context));
  if (archive !== undefined) app.use(archiveRoutes(archive, context, events));
  if (dependencies.telemetry !== undefined)
    app.use(telemetryRoutes(dependencies, dependencies.telemetry, context));
  if (dependencies.history !== undefined) app.use(eventRoutes(dependencies.history, manager, context));
  app.use(notFound, errorHandler(logger));
  return app;
}

function attemptsOf({ logger, telemetry }: AppDependencies): Attempts {
  const observe = telemetry?.metrics.observeRefusedToken;
  return new Attempts({ logger, ...(observe === undefined ? {} : { observe }) });
}

const SESSION_MS = 12 * 60 * 60 * 1000;

function sessionsOf({ history, sessionMs = SESSION_MS }: AppDependencies): Sessions {
  return new Sessions({
    durationMs: sessionMs,
    onEnd: (id) => history?.streams.cutThoseOf(id),
  });
}

/** Answers may hold secrets (request_header_auth): nothing but their owner's cache may keep them, and must ask again. */
const commonHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cache-Control", "private, no-cache");
  next();
};
